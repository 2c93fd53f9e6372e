"""What every training shares: steps that accumulate, clip and check, counted in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from lipsync.errors import TrainingError
from lipsync.features import Feature
from lipsync.training.augment import Augment
from lipsync.training.batches import batch_rng
from lipsync.training.folder import keep_best
from lipsync.training.weights import check_same_run


class Training(pl.LightningModule, ABC):
    """A LightningModule under manual optimisation; one optimiser a network.

    Args:
        optimizer: makes an optimiser from parameters.
        schedule: makes a per-batch schedule from ``(optimizer, total)``.
        loss: weights of the objective's terms.
        augment: what happens to training batches; None leaves them as they are.
        seed: of the chance in training steps.
        accumulate: batches whose gradients are averaged into one step of the optimisers.
        clip: largest norm of the gradient of a network; None leaves it as it is.
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

    @property
    def batches_done(self) -> int:
        """Training batches before this one; ``global_step`` counts optimiser steps instead."""
        if self._trainer is None:
            return 0
        return self._trainer.fit_loop.epoch_loop.batch_progress.total.completed

    def check_augmentation(self, features: Sequence[Feature]) -> None:
        """Raise ConfigError where the sound's augmentation names what these features have not."""
        if self.augment is not None:
            self.augment.check(features)

    def augment_rng(self) -> torch.Generator:
        """The random generator of this batch's augmentation, another one in every process."""
        rank = self.global_rank if self._trainer else 0
        return batch_rng(self.seed, self.batches_done, rank, device=self.device)

    def descend(self, optimizer: Any, loss: Tensor, batch: dict[str, Any]) -> None:
        """Add the gradient of a loss, and step where ``accumulate`` batches have given theirs.

        Raises:
            TrainingError: a loss that is not finite; the weights are as they were.
        """
        if not torch.isfinite(loss):
            raise TrainingError(
                f"batch {self.batches_done}",
                f"the loss is {float(loss.detach())}; its clips: {', '.join(batch['key'])}",
                "look at these clips, or lower the learning rate or set trainer.clip; "
                "ckpt_path=last goes on from the last validation",
            )
        place = self.batches_done % self.accumulate
        if place == 0:
            optimizer.zero_grad()
        self.manual_backward(loss / self.accumulate)
        if place < self.accumulate - 1:
            return
        optimizer.step()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Gradients of float16 have their true size here, and not before."""
        if self.clip is not None:
            self.clip_gradients(optimizer, self.clip, "norm")

    def step_schedules(self) -> None:
        for schedule in _as_list(self.lr_schedulers()):
            schedule.step()

    def all_optimizers(self) -> Sequence[Any]:
        """In the order of :meth:`configure_optimizers`."""
        return _as_list(self.optimizers())

    def log_training(self, values: dict[str, Tensor], batch_size: int) -> None:
        """Log what a step came to under ``train/``, terms unweighted."""
        logged = {f"train/{name}": value.detach() for name, value in values.items()}
        self.log_dict(logged, batch_size=batch_size)

    def check_data(self, train: Any) -> None:
        """Raise ConfigError where a training set cannot teach anything."""

    @abstractmethod
    def evaluate(self, batch: dict[str, Any]) -> Any:
        """Add an evaluation batch to the metrics."""

    @abstractmethod
    def finish(self, stage: str) -> dict[str, float]:
        """The numbers of an evaluation, named ``<stage>/...``; the metrics begin anew."""

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.finish("val"))

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.evaluate(batch)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.finish("test"))

    @abstractmethod
    def make_optimizers(self) -> list[Optimizer]:
        """One for each network that learns."""

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        optimizers = self.make_optimizers()
        total = int(self.trainer.estimated_stepping_batches)
        return optimizers, [self.make_schedule(optimizer, total) for optimizer in optimizers]

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What a checkpoint says of the networks in it; see :func:`.weights.architecture`."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to overwrite good weights by such as are not finite."""
        for name, value in checkpoint["state_dict"].items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise TrainingError(
                    f"batch {self.batches_done}",
                    f"{name} is not finite and was not saved",
                    "the last checkpoint is older and whole; lower the learning rate or set "
                    "trainer.clip, and go on with ckpt_path=last",
                )
        checkpoint["lipsync"] = self.about()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_same_run(checkpoint.get("lipsync", {}), self.about())
        best = self.trainer.checkpoint_callback
        if best is None or best.dirpath is None:
            return
        folder = Path(best.dirpath)
        if Path(self.trainer.ckpt_path).resolve().parent == folder.resolve():
            keep_best(checkpoint["callbacks"], folder)


def _as_list(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]
