"""LightningDataModule of a prepared set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from lipsync.data.datasets import Clips, Reader
from lipsync.data.disjoint import check_disjoint
from lipsync.data.draws import DrawSampler
from lipsync.data.leave_out import WithoutSpeakers
from lipsync.data.places import local_or_url
from lipsync.data.store import open_set
from lipsync.errors import ConfigError, check_whole


class ClipDataModule(pl.LightningDataModule):
    """Endless training draws and finite evaluation sets from one prepared set.

    The contents of samples follow from the training module's ``inputs()``.

    Args:
        root: a prepared set, see :mod:`lipsync.data.store`, or its URL.
        train: factory of the training set, called with ``(reader, split, inputs)``.
        evaluation: factory of validation and test sets, called likewise.
        reader: factory of the reader, called with ``(root, image_size)``; None for prepared sets.
        shards: options of :class:`~lipsync.data.shards.PreparedShards`, for sets in shards.
        image_size: side of the face crops in pixels.
        framing: name of the face framing.
        batch_size: training samples per batch, in each process.
        eval_batch_size: evaluation samples per batch; 1 for whole clips.
        batches_per_epoch: training batches between validations.
        val_clips: maximum number of validation clips, a fixed random subset; None for all.
        overfit: train on this many batches repeatedly, to test whether a training can learn at
            all; None for endless samples.
        leave_out: speakers held out of train and val, all of whose clips become the test split, for
            leave-one-speaker-out evaluation.
        workers: loader processes; 0 loads in the training process.

    Raises:
        ConfigError: an invalid number.
    """

    def __init__(
        self,
        root: str | Path,
        train: Callable[..., Dataset],
        evaluation: Callable[..., Dataset],
        *,
        image_size: int,
        framing: str = "box",
        reader: Callable[..., Reader] | None = None,
        shards: Mapping[str, Any] | None = None,
        batch_size: int,
        eval_batch_size: int,
        batches_per_epoch: int,
        val_clips: int | None = None,
        overfit: int | None = None,
        leave_out: Sequence[str] = (),
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.root = local_or_url(root)
        self.make_train, self.make_evaluation = train, evaluation
        self.make_reader = reader or partial(open_set, **(shards or {}))
        self.image_size, self.framing = image_size, framing
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.batches_per_epoch, self.workers = batches_per_epoch, workers
        self.val_clips, self.overfit = val_clips, overfit
        self.leave_out = tuple(leave_out)
        self.batches_done = 0  # of the run being resumed
        for name, value in (("val_clips", val_clips), ("overfit", overfit)):
            if value is not None:
                check_whole(f"data.{name}", value, 1)
        for name, least in (("batch_size", 1), ("eval_batch_size", 1), ("workers", 0)):
            check_whole(f"data.{name}", getattr(self, name), least)

    def reader(self) -> Reader:
        """Reader of the set.

        Raises:
            ConfigError: ``reader`` did not make a reader.
        """
        reader = self.make_reader(self.root, self.image_size)
        if not isinstance(reader, Reader):
            kind = type(reader).__name__
            raise ConfigError(f"data.reader: a {kind} is not a reader; it needs keys() and open()")
        return WithoutSpeakers(reader, self.leave_out) if self.leave_out else reader

    def check_splits(self, splits: Sequence[str]) -> None:
        """Check splits, and log how many speakers they (and test, if present) share with train.

        Raises:
            ConfigError: a split is missing or empty, or a clip is in two of them.
        """
        reader = self.reader()
        keys = {split: reader.keys(split) for split in splits}
        for split, found in keys.items():
            if not found:
                raise ConfigError(f"{self.root}: the reader finds no clip in the split {split}")
        with suppress(ConfigError, LookupError, OSError):  # test may be missing if not requested
            keys.setdefault("test", reader.keys("test"))
        check_disjoint(keys, self.root)

    def setup(self, stage: str | None = None) -> None:
        reader, module = self.reader(), self.trainer.lightning_module
        inputs = module.inputs(evaluation=True)
        if stage == "fit":
            self.train = self.make_train(reader, "train", module.inputs())
            module.check_data(self.train)
        if stage in ("fit", "validate"):
            limit = {} if self.val_clips is None else {"most": self.val_clips}
            self.val = self.make_evaluation(reader, "val", inputs, **limit)
        if stage == "test":
            self.test = self.make_evaluation(reader, "test", inputs)

    def state_dict(self) -> dict[str, int]:
        """For checkpoints: number of batches trained on."""
        return {"batches_done": self.trainer.lightning_module.batches_done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.batches_done = state["batches_done"]

    def train_dataloader(self) -> DataLoader:
        rank, world = self._place()
        batch = self.batch_size * world
        repeat = self.overfit and self.overfit * batch
        draws = DrawSampler(self.batches_per_epoch * batch, rank, world, repeat)
        # When resuming, Lightning sets the epoch only after loader processes have their draws.
        draws.set_epoch(self.batches_done // self.batches_per_epoch)
        return self._loader(self.train, self.batch_size, sampler=draws)

    def val_dataloader(self) -> DataLoader:
        return self._evaluation_loader(self.val)

    def test_dataloader(self) -> DataLoader:
        return self._evaluation_loader(self.test)

    def _evaluation_loader(self, dataset: Dataset) -> DataLoader:
        rank, world = self._place()
        if len(dataset) < world:
            raise ConfigError(
                f"{self.root}: {len(dataset)} evaluation samples cannot be divided among "
                f"{world} processes; use fewer processes or longer split lists"
            )
        if self.eval_batch_size > 1 and isinstance(dataset, Clips) and dataset.windows is None:
            raise ConfigError(
                f"data.eval_batch_size={self.eval_batch_size}: whole clips differ in length and "
                "cannot be batched; set it to 1, or data.evaluation.windows to a number"
            )
        share = Subset(dataset, range(rank, len(dataset), world))  # each sample in one process
        return self._loader(share, self.eval_batch_size)

    def _loader(self, dataset: Dataset, batch_size: int, **options: Any) -> DataLoader:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
            **options,
        )

    def _place(self) -> tuple[int, int]:
        """Rank of this process, and number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
