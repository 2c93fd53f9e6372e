"""Where networks run."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from lipsync.errors import ConfigError

N = TypeVar("N", bound=nn.Module)


def to_device(network: N, device: str) -> N:
    """Move a network.

    Raises:
        ConfigError: there is no such device, or it is not present.
    """
    try:
        return network.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:  # PyTorch raises either, by its build
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {device} is not available ({reason}); use cpu") from None
