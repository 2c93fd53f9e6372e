"""Devices on which networks run."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from lipsync.errors import ConfigError

N = TypeVar("N", bound=nn.Module)


def to_device(network: N, device: str) -> N:
    """Move a network to a device.

    Raises:
        ConfigError: the device is unknown or not available.
    """
    try:
        return network.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:  # which of the two depends on PyTorch's build
        reason = str(error).splitlines()[0]
        if "Expected one of" in reason:  # a list of 25 types
            raise ConfigError(
                f"device {device} is not available; use cpu, cuda, cuda:1 or mps"
            ) from None
        raise ConfigError(f"device {device} is not available ({reason}); use cpu") from None
