"""A generator for use only: norms folded away, memory laid out for convolutions, half precision."""

from __future__ import annotations

import copy
import time
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lipsync.models.blocks import ConvBlock
from lipsync.models.generator import FaceGenerator

GAIN = 1.25  # least speed-up for which bfloat16 is worth its rounding


class InferenceGenerator(nn.Module):
    """What :func:`optimise` returns: a generator with float32 in and out, and no gradients."""

    def __init__(self, network: FaceGenerator, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.audio_shape = network.audio_shape
        self.reference_first = network.reference_first

    @property
    def config(self) -> dict[str, Any]:
        """The generator's constructor arguments."""
        return self.network.config

    @torch.inference_mode()
    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """As :meth:`lipsync.models.FaceGenerator.forward`."""
        return self.network(mel.to(self.dtype), faces.to(self.dtype)).float()


def optimise(generator: FaceGenerator, dtype: torch.dtype | None = None) -> InferenceGenerator:
    """A faster copy of a generator, on the same device.

    Args:
        generator: stays as it is.
        dtype: ``torch.float32`` gives the same pictures but for rounding; ``torch.bfloat16`` is
            within half a step of 8-bit pixels on most; ``None`` takes what
            :func:`fastest_dtype` finds.
    """
    network = copy.deepcopy(generator).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ConvBlock):
            module.conv_block = _without_norms(module.conv_block)
            _fold_residual(module)
    if dtype is None:
        dtype = fastest_dtype(next(network.parameters()).device.type)
    network = network.to(dtype=dtype, memory_format=torch.channels_last)
    return InferenceGenerator(network, dtype)


def _without_norms(layers: nn.Sequential) -> nn.Sequential:
    """The same layers with each batch norm put into the convolution in front of it."""
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            conv = kept.pop()
            kept.append(fuse_conv_bn_eval(conv, layer, isinstance(conv, nn.ConvTranspose2d)))
        else:
            kept.append(layer)
    return nn.Sequential(*kept)


def _fold_residual(block: ConvBlock) -> None:
    """Let a single convolution add its input itself: one more at the kernel's middle."""
    if block.residual and len(block.conv_block) == 1:
        weight = block.conv_block[0].weight
        same, middle = torch.arange(weight.shape[0]), weight.shape[2] // 2
        weight[same, same, middle, middle] += 1
        block.residual = False


@cache
def fastest_dtype(device_type: str = "cpu") -> torch.dtype:
    """bfloat16 where the device computes convolutions faster in it, else float32.

    A CPU's flags promise little (without instructions for it, bfloat16 is many times slower), so
    a convolution is timed, once a process, in about 0.1 s.
    """
    if device_type == "cuda":
        ampere = torch.cuda.get_device_capability()[0] >= 8
        return torch.bfloat16 if ampere else torch.float32
    if device_type != "cpu":
        return torch.float32
    conv = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.rand(4, 64, 48, 48).to(memory_format=torch.channels_last)
    seconds: dict[torch.dtype, float] = {}
    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16) * 5:
            layer, batch = copy.deepcopy(conv).to(dtype), x.to(dtype)
            layer(batch[:1])  # the first call of a shape prepares it
            start = time.perf_counter()
            layer(batch)
            took = time.perf_counter() - start
            seconds[dtype] = min(took, seconds.get(dtype, took))
    gain = seconds[torch.float32] / seconds[torch.bfloat16]
    return torch.bfloat16 if gain >= GAIN else torch.float32
