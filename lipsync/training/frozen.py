"""A trained network that others learn from, and that itself stays as it is."""

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
    """Holds a network outside of checkpoints, optimisers and training mode.

    It moves between devices with the module that it belongs to.

    Args:
        network: a network, or what :func:`lipsync.checkpoints.load_model` takes.
        window: frames of the windows about which one of long windows is asked; None takes its
            moments, which need no longer samples than a published expert does.

    Raises:
        ConfigError: a window that the network cannot have.

    Attributes:
        network: in eval mode, without gradients of its own.
        sha256: hash of its weights, whatever file they came from.
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
        self.__dict__["network"] = network.to(memory_format=layout(network))  # no submodule
        self.sha256 = fingerprint(network)

    def _apply(self, fn: Callable, recurse: bool = True) -> Frozen:
        self.network._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def forward(self, *args: Any, **options: Any) -> Any:
        return self.network(*args, **options)


def layout(network: nn.Module) -> torch.memory_format:
    """Channels last, but where weights have five dimensions."""
    deep = any(parameter.ndim == 5 for parameter in network.parameters())
    return torch.contiguous_format if deep else torch.channels_last
