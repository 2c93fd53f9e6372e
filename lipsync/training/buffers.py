"""Running statistics of norm layers in distributed training."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _NormBase


def running_statistics(network: nn.Module) -> dict[str, Tensor]:
    """Running means and variances of a network's norm layers, by name."""
    return {
        f"{name}.{kind}" if name else kind: value
        for name, norm in network.named_modules()
        if isinstance(norm, _NormBase)
        for kind, value in norm.named_buffers(recurse=False)
        if value.is_floating_point()
    }


@torch.no_grad()
def average_over_processes(tensors: list[Tensor]) -> None:
    """Average tensors over all processes, in place; does nothing in a single process."""
    if not tensors or not distributed.is_initialized() or distributed.get_world_size() == 1:
        return
    flat = torch.cat([tensor.flatten().double() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))
