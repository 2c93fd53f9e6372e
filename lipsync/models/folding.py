"""Networks for use only: batch norms put into the layers before them, same numbers, less work."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from lipsync.models.blocks import AntialiasedUp, ConvBlock
from lipsync.models.syncnet_v2 import SyncNetV2

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded(network: nn.Module) -> nn.Module:
    """A faster copy of a network in eval mode; float32 gives the same numbers but for rounding.

    Norms are folded away, residual sums of single convolutions too, SyncNet v2's convolutions over
    space and time become plain ones, and memory is laid out for convolutions.

    Args:
        network: of :mod:`lipsync.models`; stays as it is.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    if isinstance(network, SyncNetV2):
        network.netcnnlip = _without_time(network.netcnnlip)
        for name in ("netcnnaud", "netcnnlip", "netfcaud", "netfclip"):
            setattr(network, name, without_norms(getattr(network, name)))
    for module in network.modules():
        if isinstance(module, ConvBlock):
            module.conv_block = without_norms(module.conv_block)
            _fold_residual(module)
    return network.to(memory_format=torch.channels_last)


def without_norms(layers: nn.Sequential) -> nn.Sequential:
    """The same layers with each batch norm put into the layer in front of it."""
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, AntialiasedUp):
            kept.append(layer.plain())
        elif isinstance(layer, _NORMS):
            before = kept.pop()
            if isinstance(before, nn.Linear):
                kept.append(fuse_linear_bn_eval(before, layer))
            else:
                transposed = isinstance(before, nn.ConvTranspose2d)
                kept.append(fuse_conv_bn_eval(before, layer, transposed))
        else:
            kept.append(layer)
    return nn.Sequential(*kept)


def _fold_residual(block: ConvBlock) -> None:
    """Let a single convolution add its input itself: one more at the kernel's middle."""
    if block.residual and len(block.conv_block) == 1:
        weight = block.conv_block[0].weight
        same, (rows, columns) = torch.arange(weight.shape[0]), weight.shape[2:]
        weight[same, same, rows // 2, columns // 2] += 1
        block.residual = False


def _without_time(layers: nn.Sequential) -> nn.Sequential:
    """SyncNet v2's face layers over pictures whose channels are colour and time together.

    Its first convolution takes in all five frames at once, so that time is 1 from there on.
    """
    flat: list[nn.Module] = [nn.Flatten(1, 2)]  # (B, 3, 5, S, S) -> (B, 15, S, S)
    for layer in layers:
        if isinstance(layer, nn.Conv3d):
            (time, *kernel), stride, padding = layer.kernel_size, layer.stride, layer.padding
            made = nn.Conv2d(
                layer.in_channels * time, layer.out_channels, kernel, stride[1:], padding[1:]
            )
            made.weight.data, made.bias.data = layer.weight.data.flatten(1, 2), layer.bias.data
        elif isinstance(layer, nn.BatchNorm3d):
            made = nn.BatchNorm2d(layer.num_features)
            made.load_state_dict(layer.state_dict())
        elif isinstance(layer, nn.MaxPool3d):
            padding = layer.padding[1:] if isinstance(layer.padding, tuple) else layer.padding
            made = nn.MaxPool2d(layer.kernel_size[1:], layer.stride[1:], padding)
        else:
            made = layer
        flat.append(made)
    return nn.Sequential(*flat).eval().requires_grad_(False).to(next(layers.parameters()).device)
