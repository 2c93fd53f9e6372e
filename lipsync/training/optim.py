"""Parameter groups and per-batch learning-rate schedules."""

from __future__ import annotations

import math
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: with and without weight decay.

    Only the weights of convolutions and linear layers decay; parameters with fewer than two
    dimensions (norm scales, biases, temperatures) do not.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def warmup_cosine(
    optimizer: Optimizer, total: int, warmup: int = 200, final: float = 0.02
) -> LambdaLR:
    """Linear warm-up over ``warmup`` batches, then cosine decay to ``final`` times the base rate.

    The rate is constant beyond ``total`` batches.
    """

    def factor(batch: int) -> float:
        if batch < warmup:
            return (batch + 1) / warmup
        progress = min(1.0, (batch - warmup) / max(1, total - warmup))
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)


def planned_rate(schedule: LambdaLR) -> float:
    """Learning rate that a schedule prescribes for this batch, whatever the optimiser's is now."""
    return schedule.base_lrs[0] * schedule.lr_lambdas[0](schedule.last_epoch)
