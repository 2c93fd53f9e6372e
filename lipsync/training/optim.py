"""What optimisers are given: groups of parameters, and schedules counted in batches."""

from __future__ import annotations

import math
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """What a module learns, for an optimiser, in one group with weight decay and one without.

    Only weights of convolutions and of linear maps decay. Scales of norms, biases and temperatures,
    all that has fewer than two dimensions, would be drawn away from where they do nothing.
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
    """Rise linearly over ``warmup`` batches, then fall along a cosine to ``final`` of the rate.

    Beyond ``total`` batches the final rate stays.
    """

    def factor(batch: int) -> float:
        if batch < warmup:
            return (batch + 1) / warmup
        progress = min(1.0, (batch - warmup) / max(1, total - warmup))
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)


def planned_rate(schedule: LambdaLR) -> float:
    """The learning rate that a schedule has for this batch, whatever the optimiser has now."""
    return schedule.base_lrs[0] * schedule.lr_lambdas[0](schedule.last_epoch)
