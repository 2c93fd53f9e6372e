"""Regulariser of a warp head: smooth and short flows."""

from __future__ import annotations

from torch import Tensor

from lipsync.training.step import Step
from lipsync.training.terms.base import Term


class Flow(Term):
    """Total variation and mean absolute value of the flow, in pixels.

    On even skin and plain backgrounds the image does not constrain the flow, and the resulting
    artefacts show on faces with hair, a beard or a patterned background.

    Args:
        reach: weight of the mean absolute flow, relative to the total variation.
        weight: see :class:`Term`.
    """

    def __init__(self, *, reach: float = 0.1, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.reach = reach

    def forward(self, step: Step) -> Tensor:
        flows = step.flows.float() * (step.flows.shape[-1] / 2)  # pixels
        change = flows.diff(dim=-1).abs().mean() + flows.diff(dim=-2).abs().mean()
        return change + self.reach * flows.abs().mean()
