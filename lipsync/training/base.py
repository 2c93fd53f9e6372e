"""Base LightningModule: gradient accumulation, clipping and checks, all counted in batches."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric

from lipsync.errors import TrainingError
from lipsync.features import Feature
from lipsync.training.augment import Augment
from lipsync.training.batches import batch_rng
from lipsync.training.buffers import average_over_processes, running_statistics
from lipsync.training.finite import FiniteLosses
from lipsync.training.folder import keep_best
from lipsync.training.frozen import Frozen
from lipsync.training.optim import parameter_groups, planned_rate
from lipsync.training.precision import update_scale
from lipsync.training.weights import check_same_run

log = logging.getLogger(__name__)


class Training(pl.LightningModule, ABC):
    """A LightningModule with manual optimisation and one optimiser per network.

    Args:
        optimizer: factory of an optimiser, called with parameter groups.
        schedule: factory of a per-batch schedule, called with ``(optimizer, total)``.
        loss: weights of the loss terms.
        augment: augmentation of training batches; None for none.
        seed: random seed of training steps.
        accumulate: batches whose gradients are averaged into one optimiser step.
        clip: maximum gradient norm per network; None for no clipping.
    """

    automatic_optimization = False

    def __init__(
        self,
        optimizer: Callable[..., Optimizer],
        schedule: Callable[..., Any],
        loss: dict[str, float],
        augment: Augment | None = None,
        seed: int = 0,
        accumulate: int = 1,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.make_optimizer, self.make_schedule = optimizer, schedule
        self.loss_weights = dict(loss)
        self.augment, self.seed = augment, seed
        self.accumulate, self.clip = accumulate, clip
        self.finite_losses = FiniteLosses()
        self.schedule_batches: int | None = None  # length of the schedule; None: the whole run
        self.resumed_schedule: int | None = None  # the same, of the run being resumed

    @property
    def batches_done(self) -> int:
        """Training batches before this one; ``global_step`` counts optimiser steps instead."""
        if self._trainer is None:
            return 0
        return self._trainer.fit_loop.epoch_loop.batch_progress.total.completed

    def check_augmentation(self, features: Sequence[Feature]) -> None:
        """Raise ConfigError for audio augmentation settings that these features do not have."""
        if self.augment is not None:
            self.augment.check(features)

    def augment_rng(self) -> torch.Generator:
        """Random generator for this batch's augmentation, different in each process."""
        rank = self.global_rank if self._trainer else 0
        return batch_rng(self.seed, self.batches_done, rank, device=self.device)

    def descend(self, optimizer: Any, loss: Tensor, batch: dict[str, Any]) -> None:
        """Accumulate the gradient of a loss, and step after every ``accumulate`` batches.

        Raises:
            TrainingError: the loss is not finite. On a GPU this is detected one batch later, see
                :class:`.finite.FiniteLosses`.
        """
        self.finite_losses.check(loss, self.batches_done, batch["key"])
        if self.batches_done % self.accumulate == 0:
            optimizer.zero_grad()
        with nullcontext() if self.completes_step else self._gradients_of_this_process():
            self.manual_backward(loss / self.accumulate)
        if self.completes_step:
            optimizer.step()

    @property
    def completes_step(self) -> bool:
        """Whether the optimisers step after this batch."""
        return (self.batches_done + 1) % self.accumulate == 0

    def _gradients_of_this_process(self) -> AbstractContextManager:
        """Do not synchronise gradients between processes until the last accumulated batch."""
        block = getattr(self.trainer.strategy, "block_backward_sync", nullcontext)
        return block()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.completes_step:
            update_scale(self.trainer.precision_plugin)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip here, where float16 gradients have been unscaled."""
        if self.clip is not None:
            self.clip_gradients(optimizer, self.clip, "norm")

    def step_schedules(self) -> None:
        for schedule in _as_list(self.lr_schedulers()):
            schedule.step()

    def all_optimizers(self) -> Sequence[Any]:
        """In the order of :meth:`configure_optimizers`."""
        return _as_list(self.optimizers())

    def log_training(self, values: dict[str, Tensor], batch_size: int) -> None:
        """Log the values of a step under ``train/``, loss terms unweighted."""
        logged = {f"train/{name}": value.detach() for name, value in values.items()}
        self.log_dict(logged, batch_size=batch_size)

    def check_data(self, train: Any) -> None:
        """Raise ConfigError if the training set is unusable for this objective."""

    def networks(self) -> Iterator[nn.Module]:
        """All networks that a training step calls, including frozen ones."""
        yield from (part for part in self.children() if hasattr(part, "config"))
        yield from (part.network for part in self.modules() if isinstance(part, Frozen))

    @abstractmethod
    def evaluate(self, batch: dict[str, Any]) -> Any:
        """Add an evaluation batch to the metrics."""

    @abstractmethod
    def finish(self, stage: str) -> dict[str, float]:
        """Compute and reset the metrics; names start with ``<stage>/``."""

    def on_validation_model_eval(self) -> None:
        """Average batch norm statistics over processes, before validation and further training.

        DDP's own broadcast of the first process's buffers does not happen under manual
        optimisation.
        """
        super().on_validation_model_eval()
        torch.backends.cudnn.benchmark = False  # whole clips vary in length
        if self.trainer.state.fn == "fit":
            self.finite_losses.finish()
            average_over_processes(list(running_statistics(self).values()))

    def on_validation_model_train(self) -> None:
        super().on_validation_model_train()
        self.choose_convolutions()

    def choose_convolutions(self) -> None:
        """Let cuDNN benchmark its algorithms: training batches all have the same shape."""
        torch.backends.cudnn.benchmark = self.device.type == "cuda"

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.finish("val"))

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.evaluate(batch)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.finish("test"))

    def make_optimizers(self) -> list[Optimizer]:
        """One optimiser per trained network."""
        return [self.make_optimizer(parameter_groups(self))]

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        optimizers = self.make_optimizers()
        self.schedule_batches = self.schedule_batches or int(
            self.trainer.estimated_stepping_batches
        )
        schedules = [self.make_schedule(o, self.schedule_batches) for o in optimizers]
        return optimizers, schedules

    def on_train_start(self) -> None:
        """Warn of a jump in learning rate if a run is resumed with a schedule of another length."""
        self.choose_convolutions()
        then, now = self.resumed_schedule, self.schedule_batches
        if then in (None, now) or self.global_rank:
            return
        rates = zip(self.all_optimizers(), _as_list(self.lr_schedulers()), strict=True)
        changes = [
            f"{optimizer.param_groups[0]['lr']:.2g} to {planned_rate(schedule):.2g}"
            for optimizer, schedule in rates
        ]
        log.warning(
            "the schedule of this run was %d batches long and is now %d: at batch %d the "
            "learning rate changes from %s; trainer.schedule_batches=%d keeps the old schedule",
            *(then, now, self.batches_done, " and from ".join(changes), then),
        )

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Description of the networks for the checkpoint; see :func:`.weights.architecture`."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to overwrite good weights with non-finite ones."""
        for name, value in checkpoint["state_dict"].items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise TrainingError(
                    f"batch {self.batches_done}",
                    f"{name} is not finite and was not saved",
                    "the previous checkpoint is intact; lower the learning rate or set "
                    "trainer.clip, and resume with ckpt_path=last",
                )
        checkpoint["lipsync"] = self.about()
        checkpoint["schedule_batches"] = self.schedule_batches

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_same_run(checkpoint.get("lipsync", {}), self.about())
        self.resumed_schedule = checkpoint.get("schedule_batches")
        best = self.trainer.checkpoint_callback
        if best is None or best.dirpath is None:
            return
        folder = Path(best.dirpath)
        if Path(self.trainer.ckpt_path).resolve().parent == folder.resolve():
            keep_best(checkpoint["callbacks"], folder)


def _as_list(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def compute_and_reset(metric: Metric) -> float:
    """Compute a metric and reset it."""
    value = float(metric.compute())
    metric.reset()
    return value
