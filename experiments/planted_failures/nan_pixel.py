"""A training module in which one pixel of one picture becomes NaN."""

from __future__ import annotations

from typing import Any

from lipsync.training import GeneratorTraining
from lipsync.training.step import Step

BATCH = 30  # the batch with the NaN pixel


class NaNPixel(GeneratorTraining):
    def prepare(self, batch: dict[str, Any]) -> Step:
        step = super().prepare(batch)
        if self.batches_done == BATCH:
            step.target[0, 0, 0, 50, 50] = float("nan")
        return step
