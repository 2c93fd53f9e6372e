# lipsync in a container, on the CPU or with CUDA:
#
#   docker build -t lipsync .
#   docker build -t lipsync:cuda --build-arg TORCH=cu130 .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" lipsync dub face.mp4 speech.wav -o dubbed.mp4
#   docker run --rm -v "$PWD:/work" --gpus all --entrypoint python lipsync:cuda -m lipsync.train trainer.gpus=1
#
# TORCH is the variant of PyTorch's wheels, which bring their own CUDA; the host needs the driver and
# the NVIDIA container toolkit only.
FROM python:3.11-slim

ARG TORCH=cpu

# what OpenCV links to and the slim image lacks
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

COPY constraints.txt /tmp/
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt \
        --index-url "https://download.pytorch.org/whl/${TORCH}" torch

COPY pyproject.toml README.md LICENSE train.py /src/
COPY conf /src/conf
COPY data_prep /src/data_prep
COPY lipsync /src/lipsync
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt /src && rm -rf /src

# caches of fonts, compiled functions and fetched models, for whichever user runs it
ENV HOME=/tmp/home NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib LIPSYNC_CACHE=/tmp/lipsync
RUN mkdir -m 777 /tmp/home

WORKDIR /work
ENTRYPOINT ["lipsync"]
CMD ["--help"]
