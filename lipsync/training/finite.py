"""Losses that are not finite stop a run; on a GPU without a wait for each of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lipsync.errors import TrainingError


@dataclass
class FiniteLosses:
    """Raises for a loss that is not finite: at once on a processor, one batch later on a GPU.

    There the value is copied while the GPU works on, and read when the next batch comes. By then
    the optimisers have stepped, but the checkpoints are older and whole.
    """

    _copies: list[tuple[int, Tensor, Callable[[], None], list[str]]] = field(default_factory=list)

    def check(self, loss: Tensor, batch: int, clips: list[str]) -> None:
        """Look at the losses of earlier batches, and take on one of batch number ``batch``.

        Raises:
            TrainingError: with the batch and the clips of the loss that is not finite.
        """
        if self._copies and self._copies[0][0] != batch:
            self.finish()
        self._copies.append((batch, *_copied(loss.detach()), clips))
        if loss.device.type == "cpu":
            self.finish()

    def finish(self) -> None:
        """Look at all losses that were taken on; call before validation."""
        copies, self._copies = self._copies, []
        for batch, value, wait, clips in copies:
            wait()
            if not math.isfinite(value):
                raise TrainingError(
                    f"batch {batch}",
                    f"the loss is {float(value)}; its clips: {', '.join(clips)}",
                    "check these clips, lower the learning rate or set trainer.clip; "
                    "ckpt_path=last resumes from the last validation",
                )


def _copied(value: Tensor) -> tuple[Tensor, Callable[[], None]]:
    """A copy in the processor's memory, and what waits for it to be there."""
    if value.device.type != "cuda":
        return value, lambda: None
    copy = torch.empty_like(value, device="cpu", pin_memory=True)
    copy.copy_(value, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return copy, event.synchronize
