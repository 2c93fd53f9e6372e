"""A frozen, trained network used in the training of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lipsync.checkpoints import fingerprint, load_model
from lipsync.errors import ConfigError
from lipsync.models import LongSyncNet


class Frozen(nn.Module):
    """Keep a network out of checkpoints, optimisers and training mode.

    It moves between devices with its parent module.

    Args:
        network: a network, or anything that :func:`lipsync.checkpoints.load_model` accepts.
        window: frames per window of a :class:`lipsync.models.LongSyncNet`; None uses single
            moments, for which samples need be no longer than for a published expert.

    Raises:
        ConfigError: a window length that the network does not support.

    Attributes:
        network: in eval mode, with ``requires_grad`` off.
        sha256: hash of its weights, independent of the file format.
    """

    def __init__(self, network: nn.Module | str | Path, window: int | None = None) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            network = load_model(network)
        if isinstance(network, LongSyncNet):
            network = network.with_window(window or network.moment)
        elif window is not None and window != network.config.get("window"):
            raise ConfigError(
                f"window={window}: only a LongSyncNet takes windows of other lengths; "
                f"{type(network).__name__} has {network.config.get('window')} frames"
            )
        network.eval().requires_grad_(False)
        self.__dict__["network"] = network.to(memory_format=layout(network))  # not a submodule
        self.sha256 = fingerprint(network)

    def _apply(self, fn: Callable, recurse: bool = True) -> Frozen:
        self.network._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def forward(self, *args: Any, **options: Any) -> Any:
        return self.network(*args, **options)


def layout(network: nn.Module) -> torch.memory_format:
    """Channels-last, unless the network has 3-D convolutions."""
    deep = any(parameter.ndim == 5 for parameter in network.parameters())
    return torch.contiguous_format if deep else torch.channels_last
