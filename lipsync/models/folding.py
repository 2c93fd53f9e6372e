"""Networks for inference: batch norms folded into the preceding layers."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from lipsync.models.blocks import AntialiasedUp, ConvBlock
from lipsync.models.syncnet_v2 import SyncNetV2

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded(network: nn.Module) -> nn.Module:
    """Faster copy of a network in eval mode, equal in float32 up to rounding.

    Folds batch norms and the skip connections of single-convolution residual blocks into the
    weights, turns SyncNet v2's 3-D convolutions into 2-D ones, and sets channels-last memory.

    Args:
        network: one from :mod:`lipsync.models`; not modified.
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
    """The layers, with each batch norm folded into the layer before it."""
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
    """Fold the skip connection of a single convolution into it: add 1 at the kernel centre."""
    if block.residual and len(block.conv_block) == 1:
        weight = block.conv_block[0].weight
        same, (rows, columns) = torch.arange(weight.shape[0]), weight.shape[2:]
        weight[same, same, rows // 2, columns // 2] += 1
        block.residual = False


def _without_time(layers: nn.Sequential) -> nn.Sequential:
    """SyncNet v2's face encoder in 2-D, with time and colour flattened into the input channels.

    Its first convolution spans all five frames, so the time dimension is 1 from there on.
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
