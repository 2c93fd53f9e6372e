"""Generators for inference: folded batch norms, channels-last memory, half precision."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from lipsync.models.folding import folded
from lipsync.models.generator import FaceGenerator
from lipsync.speeds import choose_precision

_MEASURED, _TRIES = 4, 5  # batch size, and maximum runs per precision
_SECONDS = 1.0  # past this, two runs are enough


class InferenceGenerator(nn.Module):
    """Result of :func:`optimise`: a generator with float32 input and output, without gradients."""

    def __init__(self, network: FaceGenerator, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.audio_shape, self.faces_shape = network.audio_shape, network.faces_shape
        self.references = network.references
        self.reference_first = network.reference_first

    @property
    def config(self) -> dict[str, Any]:
        """The generator's constructor arguments."""
        return self.network.config

    @torch.inference_mode()
    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """As :meth:`lipsync.models.FaceGenerator.forward`."""
        return self.network(mel.to(self.dtype), faces.to(self.dtype)).float()

    @torch.inference_mode()
    def edit(self, code: Tensor, faces: Tensor) -> Tensor:
        """As :meth:`lipsync.models.LipsCode.edit`."""
        return self.network.edit(code.to(self.dtype), faces.to(self.dtype)).float()

    @torch.inference_mode()
    def code_of_sound(self, mel: Tensor) -> Tensor:
        """As :meth:`lipsync.models.LipsCode.code_of_sound`."""
        return self.network.code_of_sound(mel.to(self.dtype)).float()

    @torch.inference_mode()
    def code_of_faces(self, faces: Tensor) -> Tensor:
        """As :meth:`lipsync.models.LipsCode.code_of_faces`."""
        return self.network.code_of_faces(faces.to(self.dtype)).float()


def optimise(generator: FaceGenerator, dtype: torch.dtype | None = None) -> InferenceGenerator:
    """Faster copy of a generator, on the same device.

    Args:
        generator: not modified.
        dtype: ``torch.float32`` gives the same output up to rounding; ``torch.bfloat16`` deviates
            by a quarter of an 8-bit level (RMS, for a trained generator); ``None`` uses bfloat16
            where the device supports it (:func:`fastest_dtype`) and, on a CPU, where it measures
            faster for this network (:mod:`lipsync.speeds`).
    """
    network = folded(generator)
    if dtype is None:
        device = next(network.parameters()).device.type
        dtype = fastest_dtype(device)
        if device == "cpu" and dtype == torch.bfloat16:
            dtype = getattr(torch, _choose_dtype(network))
    return InferenceGenerator(network.to(dtype=dtype), dtype)


def _choose_dtype(network: FaceGenerator) -> str:
    """Name of the faster dtype on this CPU."""
    about = network.config, torch.__version__
    return choose_precision(name_of(network), *about, lambda: _measure_dtypes(network))


def name_of(network: FaceGenerator) -> str:
    """Class name and size of a network, for display."""
    size = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    return f"{type(network).__name__} {size:.1f} M"


def _measure_dtypes(network: FaceGenerator) -> dict[str, float]:
    """Milliseconds per frame, by dtype."""
    return milliseconds(
        {
            str(dtype).partition(".")[2]: InferenceGenerator(
                deepcopy(network).to(dtype=dtype), dtype
            )
            for dtype in (torch.float32, torch.bfloat16)
        }
    )


def milliseconds(generators: dict[str, InferenceGenerator]) -> dict[str, float]:
    """Milliseconds per frame of variants of one generator, the best of several interleaved runs.

    Measured as CPU time in one thread, the way dubs are generated, so that other load on the
    machine does not count.
    """
    one = next(iter(generators.values()))
    sound = torch.zeros(_MEASURED, *one.audio_shape)
    faces = torch.full((_MEASURED, *one.faces_shape), 0.5)
    best = dict.fromkeys(generators, float("inf"))
    threads, begin = torch.get_num_threads(), time.thread_time()
    torch.set_num_threads(1)
    try:
        for number in range(_TRIES):
            for name, generator in generators.items():
                start = time.thread_time()
                generator(sound, faces)
                best[name] = min(best[name], 1000 * (time.thread_time() - start) / _MEASURED)
            if number and time.thread_time() - begin > _SECONDS:
                break
    finally:
        torch.set_num_threads(threads)
    return best


def fastest_dtype(device_type: str = "cpu") -> torch.dtype:
    """bfloat16 where the device supports it in hardware, else float32.

    Emulated bfloat16 is slower than float32.
    """
    if device_type == "cuda":
        has = torch.cuda.get_device_capability()[0] >= 8
    elif device_type == "cpu":
        # missing in older PyTorch
        flags = getattr(torch.cpu, "get_capabilities", dict)()
        has = flags.get("avx512_bf16", False) or flags.get("amx_bf16", False)
    else:
        has = False
    return torch.bfloat16 if has else torch.float32
