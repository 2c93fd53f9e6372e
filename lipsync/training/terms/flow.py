"""Term of a warping head: what a picture does not tell of its flow is smooth, and short."""

from __future__ import annotations

from torch import Tensor

from lipsync.training.step import Step
from lipsync.training.terms.base import Term


class Flow(Term):
    """How much the flow of a warping head changes from pixel to pixel, and how far it reaches.

    Even skin and plain backgrounds look right wherever they are fetched from. There a flow is
    whatever the network likes, and on a face with hair, a beard or a patterned background it shows.

    Args:
        reach: weight of the flow's length, in pixels, beside its change between neighbours.
        weight: see :class:`Term`.
    """

    def __init__(self, *, reach: float = 0.1, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.reach = reach

    def forward(self, step: Step) -> Tensor:
        flows = step.flows.float() * (step.flows.shape[-1] / 2)  # pixels
        change = flows.diff(dim=-1).abs().mean() + flows.diff(dim=-2).abs().mean()
        return change + self.reach * flows.abs().mean()
