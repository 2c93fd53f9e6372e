"""Accumulated picture metrics; each is right for any split of batches and under DDP."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lipsync.metrics import functional as MF
from lipsync.windows import lower_half


class LowerHalfPSNR(Metric):
    """PSNR in dB over the lower half of the rows of all pictures together.

    The squared error is pooled before the logarithm, so the number does not depend on how pictures
    are batched (a mean of PSNRs would, and is never lower).

    ``update(pred, target)``: (..., height, width), float in [0, 1]. ``compute()``: a scalar.

    Raises:
        ValueError: from ``update``, shapes that differ or pixels that are not float; from
            ``compute``, where no picture was given.

    Example:
        >>> metric = LowerHalfPSNR()
        >>> metric.update(torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.1))
        >>> metric.compute()
        tensor(20.)
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, pred: Tensor, target: Tensor) -> None:
        total, count = MF.squared_error(lower_half(pred), lower_half(target))
        self.total += total
        self.count += count

    def compute(self) -> Tensor:
        if self.count == 0:
            raise ValueError("LowerHalfPSNR: no picture was given, there is no mean to compute")
        return -10 * torch.log10(self.total / self.count)
