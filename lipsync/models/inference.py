"""A generator for use only: norms folded away, memory laid out for convolutions, half precision."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lipsync.models.blocks import ConvBlock
from lipsync.models.generator import FaceGenerator


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
            off by a quarter of an 8-bit step (rms, of a trained generator); ``None`` takes what
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
