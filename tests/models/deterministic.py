"""Deterministic weights and inputs, derived from their names, as for the recorded numbers."""

import math
import zlib

import numpy as np
import torch
from torch import nn


def rng(text: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(text.encode()) & 0xFFFFFFFF)


def fill(model: nn.Module, salt: str = "") -> nn.Module:
    """Set every parameter and buffer to values derived from its name, in eval mode."""
    state = {}
    for name, value in model.state_dict().items():
        r, shape = rng(salt + name), tuple(value.shape)
        if name.endswith("num_batches_tracked"):
            array = np.zeros(shape)
        elif name.endswith("running_var"):
            array = r.uniform(0.5, 1.5, shape)
        elif name.endswith("running_mean"):
            array = 0.1 * r.standard_normal(shape)
        elif len(shape) > 1:
            array = r.standard_normal(shape) * math.sqrt(1 / math.prod(shape[1:]))
        elif name.endswith("weight"):
            array = r.uniform(0.5, 1.0, shape)
        else:
            array = 0.1 * r.standard_normal(shape)
        state[name] = torch.from_numpy(np.asarray(array)).to(value.dtype)
    model.load_state_dict(state)
    return model.eval()


def image(name: str, *shape: int, high: float = 1.0) -> torch.Tensor:
    return torch.from_numpy(rng("input:" + name).uniform(0, high, shape).astype(np.float32))


def mel(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng("input:" + name).uniform(-4, 4, shape).astype(np.float32))
