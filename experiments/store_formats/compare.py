"""How fast are random five-frame windows read from different formats, and how large are the files?

    python experiments/store_formats/compare.py FOOTAGE --sizes 96 256

FOOTAGE is a folder of videos, ``<speaker>/<clip>.mp4``, with faces larger than the crops (upscaled
faces would compress too well). It is prepared once per size, so every format stores the same
pixels. One process and one thread read files that are in the page cache. HDF5 and LMDB need h5py
and lmdb, and are skipped without them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

import av
import cv2
import numpy as np

from data_prep.options import Options
from data_prep.run import prepare
from lipsync.data.store import open_clip
from lipsync.media import VideoWriter
from lipsync.windows import FPS

T = 5  # frames per window
_QUALITY = 95  # JPEG quality
_GOP = 10  # frames between key frames


def encode(frame: np.ndarray) -> bytes:
    picture = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def decode(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


class Format(ABC):
    """The clips of a set, stored in one format under ``folder``."""

    name: str

    def __init__(self, folder: Path, clips: list[np.ndarray]) -> None:
        self.folder = folder
        folder.mkdir()
        for i, faces in enumerate(clips):
            self.write(i, faces)

    @abstractmethod
    def write(self, clip: int, faces: np.ndarray) -> None: ...

    @abstractmethod
    def window(self, clip: int, start: int) -> np.ndarray:
        """Five frames, uint8 (5, S, S, 3)."""

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


class Raw(Format):
    name = "raw pixels, memory-mapped (.npy)"

    def write(self, clip: int, faces: np.ndarray) -> None:
        np.save(self.folder / f"{clip}.npy", faces)
        self.maps = {**getattr(self, "maps", {}), clip: None}
        self.maps[clip] = np.load(self.folder / f"{clip}.npy", mmap_mode="r")

    def window(self, clip: int, start: int) -> np.ndarray:
        return np.array(self.maps[clip][start : start + T])


class JpegFile(Format):
    name = f"JPEGs ({_QUALITY}), one file per clip"

    def write(self, clip: int, faces: np.ndarray) -> None:
        blobs = [encode(face) for face in faces]
        (self.folder / f"{clip}.jpgs").write_bytes(b"".join(blobs))
        edges = np.cumsum([0, *map(len, blobs)])
        held = np.memmap(self.folder / f"{clip}.jpgs", np.uint8, "r")
        self.held = {**getattr(self, "held", {}), clip: (held, edges)}

    def window(self, clip: int, start: int) -> np.ndarray:
        held, edges = self.held[clip]
        parts = (held[edges[i] : edges[i + 1]] for i in range(start, start + T))
        return np.stack([cv2.imdecode(part, cv2.IMREAD_COLOR_RGB) for part in parts])


class JpegFolder(Format):
    name = f"JPEGs ({_QUALITY}), one file per frame"

    def write(self, clip: int, faces: np.ndarray) -> None:
        (self.folder / str(clip)).mkdir()
        for i, face in enumerate(faces):
            (self.folder / str(clip) / f"{i}.jpg").write_bytes(encode(face))

    def window(self, clip: int, start: int) -> np.ndarray:
        files = (self.folder / str(clip) / f"{start + i}.jpg" for i in range(T))
        return np.stack([decode(file.read_bytes()) for file in files])


class Video(Format):
    name = f"H.264 (CRF 18, every {_GOP}th a key frame)"

    def write(self, clip: int, faces: np.ndarray) -> None:
        size = faces.shape[2], faces.shape[1]
        with VideoWriter(self.folder / f"{clip}.mp4", FPS, size) as writer:
            writer._video.codec_context.gop_size = _GOP
            for face in faces:
                writer.write(np.ascontiguousarray(face))

    def window(self, clip: int, start: int) -> np.ndarray:
        frames: list[np.ndarray] = []
        with av.open(str(self.folder / f"{clip}.mp4")) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            first = round(start / FPS / stream.time_base)
            container.seek(first, stream=stream)
            for frame in container.decode(stream):
                if frame.pts >= first:
                    frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == T:
                    break
        return np.stack(frames)


class Hdf5(Format):
    name = "HDF5, one frame per chunk, lzf"

    def write(self, clip: int, faces: np.ndarray) -> None:
        import h5py

        with h5py.File(self.folder / f"{clip}.h5", "w") as file:
            file.create_dataset(
                "faces", data=faces, chunks=(1, *faces.shape[1:]), compression="lzf"
            )
        held = h5py.File(self.folder / f"{clip}.h5", "r")["faces"]
        self.held = {**getattr(self, "held", {}), clip: held}

    def window(self, clip: int, start: int) -> np.ndarray:
        return self.held[clip][start : start + T]


class Lmdb(Format):
    name = f"LMDB of JPEGs ({_QUALITY})"

    def write(self, clip: int, faces: np.ndarray) -> None:
        import lmdb

        if clip == 0:
            self.store = lmdb.open(str(self.folder / "set"), map_size=1 << 34, writemap=False)
        with self.store.begin(write=True) as transaction:
            for i, face in enumerate(faces):
                transaction.put(f"{clip}/{i}".encode(), encode(face))

    def window(self, clip: int, start: int) -> np.ndarray:
        with self.store.begin(buffers=True) as transaction:
            keys = (f"{clip}/{i}".encode() for i in range(start, start + T))
            return np.stack([decode(transaction.get(key)) for key in keys])


FORMATS = (Raw, JpegFile, JpegFolder, Video, Hdf5, Lmdb)


def rate(store: Format, clips: list[np.ndarray], seconds: float, rng: np.random.Generator) -> float:
    """Windows read per second."""
    begin, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < seconds:
        clip = int(rng.integers(len(clips)))
        store.window(clip, int(rng.integers(len(clips[clip]) - T + 1)))
        count += 1
    return count / passed


def psnr(store: Format, clips: list[np.ndarray]) -> float:
    """PSNR in dB over windows at the beginning, middle and end of every clip; inf if lossless."""
    errors = []
    for i, faces in enumerate(clips):
        for start in (0, len(faces) // 2, len(faces) - T):
            there = store.window(i, start).astype(float)
            errors.append(((there - faces[start : start + T]) ** 2).mean())
    mean = float(np.mean(errors))
    return float("inf") if mean == 0 else 10 * np.log10(255**2 / mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footage", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 256])
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print("| size | format | windows/s (lowest-highest) | GB per hour | PSNR, dB | files |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for size in arguments.sizes:
            made = root / f"set-{size}"
            kept = prepare(arguments.footage, made, Options(judge=None, image_size=size)).kept
            clips = [np.array(open_clip(made, row.key).faces) for row in kept]
            hours = sum(map(len, clips)) / FPS / 3600
            stores = []
            for number, kind in enumerate(FORMATS):
                try:
                    stores.append(kind(root / f"{size}-{number}", clips))
                except ImportError as error:
                    print(f"| {size} | {kind.name} | {error} | | | |")
            rates: dict[Format, list[float]] = {store: [] for store in stores}
            for run in range(arguments.runs):  # alternate, so other load slows all alike
                for store in stores:
                    rng = np.random.default_rng(run)
                    rates[store].append(rate(store, clips, arguments.seconds, rng))
            for store, values in rates.items():
                files = sum(path.is_file() for path in store.folder.rglob("*"))
                print(
                    f"| {size} | {store.name} | {statistics.median(values):,.0f} "
                    f"({min(values):,.0f}-{max(values):,.0f}) | {store.size() / hours / 1e9:.2f} "
                    f"| {psnr(store, clips):.1f} | {files} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
