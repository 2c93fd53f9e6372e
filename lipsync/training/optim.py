"""Learning-rate schedules, counted in batches."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(
    optimizer: Optimizer, total: int, warmup: int = 200, final: float = 0.02
) -> LambdaLR:
    """Rise linearly over ``warmup`` batches, then fall along a cosine to ``final`` of the rate."""

    def factor(batch: int) -> float:
        if batch < warmup:
            return (batch + 1) / warmup
        progress = min(1.0, (batch - warmup) / max(1, total - warmup))
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)


def constant(optimizer: Optimizer, total: int) -> LambdaLR:
    """The same rate throughout, as published."""
    del total
    return LambdaLR(optimizer, lambda batch: 1.0)
