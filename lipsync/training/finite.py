"""Stop a run on a non-finite loss, without synchronising the GPU on every batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lipsync.errors import TrainingError


@dataclass
class FiniteLosses:
    """Raise for a non-finite loss: at once on a CPU, one batch later on a GPU.

    On a GPU the value is copied asynchronously and read at the next batch. By then the optimisers
    have stepped, but the last checkpoint predates the bad loss.
    """

    _copies: list[tuple[int, Tensor, Callable[[], None], list[str]]] = field(default_factory=list)

    def check(self, loss: Tensor, batch: int, clips: list[str]) -> None:
        """Check the losses of earlier batches, and queue one of batch ``batch``.

        Raises:
            TrainingError: names the batch and the clips of a non-finite loss.
        """
        if self._copies and self._copies[0][0] != batch:
            self.finish()
        self._copies.append((batch, *_copy_async(loss.detach()), clips))
        if loss.device.type == "cpu":
            self.finish()

    def finish(self) -> None:
        """Check all queued losses; call before validation."""
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


def _copy_async(value: Tensor) -> tuple[Tensor, Callable[[], None]]:
    """An asynchronous copy in host memory, and a function that waits for it."""
    if value.device.type != "cuda":
        return value, lambda: None
    copy = torch.empty_like(value, device="cpu", pin_memory=True)
    copy.copy_(value, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return copy, event.synchronize
