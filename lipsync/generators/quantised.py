"""int8 generators with OpenVINO, if installed: used where they measure faster.

Activation ranges are calibrated on synthetic faces and speech, so no calibration data is needed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from lipsync.checkpoints.files import fingerprint, whole_files
from lipsync.errors import LipsyncError
from lipsync.export import export_onnx
from lipsync.faces.framing import get_framing
from lipsync.features import feature_of
from lipsync.models import LipsCode
from lipsync.models.folding import folded
from lipsync.models.generator import FaceGenerator
from lipsync.models.inference import InferenceGenerator, milliseconds, name_of, optimise
from lipsync.sample.corpus import make_clip
from lipsync.speeds import cache_folder, choose_precision

NAME = "OpenVINO int8"
LEAST_PSNR = 55.0  # minimum PSNR in dB against the float32 output
MOST_WORKERS = 4  # maximum number of parallel batches
_LEAST_GAIN = 1.15  # minimum speed-up over torch's fastest precision
_PEOPLE, _HELD_OUT, _FRAMES = 8, 2, 6  # synthetic people, how many are held out, and frames of each
_VERSION = 1  # version of the quantisation recipe; increment when its output changes
log = logging.getLogger(__name__)


def fastest_copy(generator: FaceGenerator) -> InferenceGenerator:
    """Faster copy of a generator: from :func:`lipsync.models.inference.optimise`, or in int8.

    int8 is used on a CPU with OpenVINO if it measures at least 1.15 times as fast on this machine,
    and its output has at least 55 dB PSNR against float32. Generators with a lips code are
    excluded. The first call for a network quantises it; later calls use the cache.
    """
    fast = optimise(generator)
    on_cpu = next(generator.parameters()).device.type == "cpu"
    if not on_cpu or isinstance(generator, LipsCode) or find_spec("openvino") is None:
        return fast
    exact = str(fast.dtype).partition(".")[2]

    def measure() -> dict[str, float]:
        return milliseconds({exact: fast, NAME: _compile(generator, _cached_path(generator), 1)})

    about = [exact, generator.config]
    try:
        chosen = choose_precision(name_of(fast.network), about, _versions(), measure, _LEAST_GAIN)
        if chosen == NAME:
            streams = max(1, min(MOST_WORKERS, torch.get_num_threads()))
            return _compile(generator, _cached_path(generator), streams)
    except (LipsyncError, OSError, MemoryError, RuntimeError) as error:  # a full cache
        log.info("%s is not run in %s: %s", name_of(fast.network), NAME, error)
    return fast


def _versions() -> str:
    packages = ("torch", "onnxruntime", "openvino")
    return ", ".join(f"{name} {version(name)}" for name in packages)


def _cached_path(generator: FaceGenerator) -> Path:
    """Path of the quantised network in the cache, created if missing.

    Raises:
        LipsyncError: its output differs too much, or the cache cannot be written.
    """
    key_parts = [fingerprint(generator), generator.config, _versions(), _VERSION]
    key = hashlib.sha256(json.dumps(key_parts, default=str).encode()).hexdigest()[:16]
    folder = cache_folder() / "int8"
    quantised, refused = folder / f"{key}.onnx", folder / f"{key}.txt"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{key}.lock"):
        if not quantised.exists() and not refused.exists():
            try:
                with whole_files(quantised) as (file,):
                    _quantise_and_check(generator, file)
            except _Unfit as error:
                with whole_files(refused) as (file,):
                    file.write_text(str(error), encoding="utf-8")
    if refused.exists():
        raise LipsyncError(refused.read_text(encoding="utf-8"))
    return quantised


class _Unfit(Exception):
    """A network whose output changes too much in int8, or that cannot be converted."""


def _quantise_and_check(generator: FaceGenerator, path: Path) -> None:
    """Quantise a generator to int8 on synthetic people, and evaluate it on held-out ones."""
    network: Any = folded(generator)
    sound, faces = _examples(network)
    held_out = _HELD_OUT * _FRAMES
    try:
        quantise(network, path, sound[held_out:], faces[held_out:])
        found = _compile(generator, path, 1)(sound[:held_out], faces[:held_out])
    except (OSError, MemoryError):  # may work next time
        raise
    except Exception as error:  # recorded, so as not to try again for every dub
        raise _Unfit(f"it cannot be converted ({error})") from error
    with torch.inference_mode():
        wrong = (found - network(sound[:held_out], faces[:held_out])).square().mean()
    quality = float(-10 * wrong.clamp(min=1e-12).log10())
    if not quality >= LEAST_PSNR:
        raise _Unfit(f"its pictures have only {quality:.1f} dB against float32's")


def quantise(network: FaceGenerator, path: Path, sound: Tensor, faces: Tensor) -> None:
    """Write a network as ONNX with convolutions in int8, calibrated on these inputs.

    The first convolution on the faces and the last two, which produce the image, stay in float, as
    do sums and concatenations.

    Args:
        network: on the CPU, in eval mode.
        path: output file.
        sound: (n, *audio_shape).
        faces: (n, *faces_shape).
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    kinds = ["Conv", "ConvTranspose"]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the quantiser warns about empty means
        plain, ready = Path(folder) / "plain.onnx", Path(folder) / "ready.onnx"
        export_onnx(network, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        graph = onnx.load(ready).graph
        names = [value.name for value in graph.input]
        nodes = [node for node in graph.node if node.op_type in kinds]
        exact = [node.name for node in nodes if names[1] in node.input or node in nodes[-2:]]
        feeds = iter(
            dict(zip(names, (part.numpy() for part in parts), strict=True))
            for parts in zip(sound.split(4), faces.split(4), strict=True)
        )

        class Inputs(quantization.CalibrationDataReader):
            def get_next(self) -> Any:
                return next(feeds, None)

        quantization.quantize_static(
            ready, path, Inputs(), per_channel=True, op_types_to_quantize=kinds,
            activation_type=quantization.QuantType.QUInt8, nodes_to_exclude=exact,
        )  # fmt: skip


def _compile(generator: FaceGenerator, path: Path, streams: int) -> InferenceGenerator:
    """A generator that runs the network in a file, with ``streams`` batches in parallel."""
    openvino = _openvino()
    options = {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "f32",  # for layers that are not quantised
    }
    network: Any = folded(generator)
    network.paint = _make_paint(openvino.Core().compile_model(path, "CPU", options))
    return InferenceGenerator(network, torch.float32)


def _openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report every import."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _make_paint(compiled: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """A thread-safe :meth:`FaceGenerator.paint` that runs a compiled network."""
    requests = threading.local()

    def paint(sound: Tensor, faces: Tensor) -> Tensor:
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        inputs = [sound.contiguous().numpy(), faces.contiguous().numpy()]
        return torch.from_numpy(requests.own.infer(inputs)[0].copy())

    return paint


def _examples(network: FaceGenerator) -> tuple[Tensor, Tensor]:
    """Inputs from synthetic talking faces, as in a dub: (n, *audio_shape), (n, *faces_shape)."""
    feature, size, others = feature_of(network), network.config["image_size"], network.references
    hide = get_framing(network.config.get("framing", "box")).hide
    sounds, pictures = [], []
    shown = range(0, 2 * _FRAMES, 2)
    for person in range(_PEOPLE):
        clip = make_clip(0, person, 0, 2 * _FRAMES / 25, size * 5 // 4)
        edge = size // 8
        frames = [frame[edge:, edge:][:size, :size] for frame in clip.frames]
        frames = [cv2.resize(frame, (size, size)) for frame in frames]
        sounds.append(feature.cut(feature.extract(clip.wave), shown))
        for k in shown:
            chosen = [frames[(k + 5 + 3 * number) % len(frames)] for number in range(others)]
            pictures.append([frames[k], *chosen])
    pixels = torch.from_numpy(np.array(pictures)).permute(0, 1, 4, 2, 3).float() / 255
    target, references = hide(pixels[:, 0]), pixels[:, 1:].flatten(1, 2)
    faces = (references, target) if network.reference_first else (target, references)
    return torch.from_numpy(np.concatenate(sounds)).float(), torch.cat(faces, dim=1)
