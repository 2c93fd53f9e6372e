"""A generator for use only: norms folded away, memory laid out for convolutions, half precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lipsync.models.folding import folded
from lipsync.models.generator import FaceGenerator


class InferenceGenerator(nn.Module):
    """What :func:`optimise` returns: a generator with float32 in and out, and no gradients."""

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
    """A faster copy of a generator, on the same device.

    Args:
        generator: stays as it is.
        dtype: ``torch.float32`` gives the same pictures but for rounding; ``torch.bfloat16`` is
            off by a quarter of an 8-bit step (rms, of a trained generator); ``None`` takes what
            :func:`fastest_dtype` finds.
    """
    network = folded(generator)
    if dtype is None:
        dtype = fastest_dtype(next(network.parameters()).device.type)
    return InferenceGenerator(network.to(dtype=dtype), dtype)


def fastest_dtype(device_type: str = "cpu") -> torch.dtype:
    """bfloat16 where the device has instructions for it, else float32.

    Without them bfloat16 is emulated and slower than float32. Nothing is timed: on a busy machine
    the answer, and with it the pictures, would differ from run to run.
    """
    if device_type == "cuda":
        has = torch.cuda.get_device_capability()[0] >= 8
    elif device_type == "cpu":
        # older PyTorch cannot tell
        flags = getattr(torch.cpu, "get_capabilities", dict)()
        has = flags.get("avx512_bf16", False) or flags.get("amx_bf16", False)
    else:
        has = False
    return torch.bfloat16 if has else torch.float32
