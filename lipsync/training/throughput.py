"""Training throughput and data loading time."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

log = logging.getLogger(__name__)

WAITING = 0.05  # fraction of time spent on data above which to warn


class Throughput(Callback):
    """Log samples per second, and the fraction of time spent waiting for data.

    A sample is one window (for LipGAN, one frame).

    Args:
        every: batches per measurement.
    """

    def __init__(self, every: int = 50) -> None:
        self.every = every
        self._ended = self._started = None
        self._waited = self._worked = self._samples = 0.0
        self._warned = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self._started = time.perf_counter()
        if self._ended is not None:
            self._waited += self._started - self._ended

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = pl_module.batches_done + 1
        if pl_module.device.type == "cuda" and done % self.every == 0:
            torch.cuda.synchronize()
        self._ended = time.perf_counter()
        self._worked += self._ended - self._started
        self._samples += _samples(batch)
        if done % self.every:
            return
        total = self._waited + self._worked
        share = self._waited / total
        pl_module.log("train/samples_per_second", self._samples / total * trainer.world_size)
        pl_module.log("train/waiting_for_data", share)
        if share > WAITING and not self._warned and done > self.every:
            self._warned = True
            log.warning(
                "%.0f %% of the time is spent waiting for data; raise data.workers", 100 * share
            )
        self._waited = self._worked = self._samples = 0.0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._ended = None  # do not count validation as waiting


def _samples(batch: dict[str, Any]) -> int:
    return batch["start"].numel()
