"""The LightningDataModule over a prepared set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from lipsync.data.datasets import Reader
from lipsync.data.draws import DrawSampler
from lipsync.data.store import PreparedFolder
from lipsync.errors import ConfigError


class ClipDataModule(pl.LightningDataModule):
    """Endless training draws and finite evaluation sets from one prepared set.

    What samples hold follows from the networks: the training module's ``inputs()``.

    Args:
        root: a prepared set, see :mod:`lipsync.data.store`.
        train: makes the training set from ``(reader, split, inputs)``.
        evaluation: makes a validation or test set from the same.
        reader: makes what reads the set from ``(root, image_size)``.
        image_size: side of the face crops in pixels.
        framing: name of the framing that they are cut by.
        batch_size: training samples a step, in each process.
        eval_batch_size: evaluation samples a step.
        batches_per_epoch: training steps between two validations.
        val_clips: most clips to validate on; of more, so many are drawn once. None takes all.
        workers: loader processes; 0 loads in the training process.

    Raises:
        ConfigError: a number that cannot work.
    """

    def __init__(
        self,
        root: str | Path,
        train: Callable[..., Dataset],
        evaluation: Callable[..., Dataset],
        *,
        image_size: int,
        framing: str = "box",
        reader: Callable[..., Reader] = PreparedFolder,
        batch_size: int,
        eval_batch_size: int,
        batches_per_epoch: int,
        val_clips: int | None = None,
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.root = Path(root)
        self.make_train, self.make_evaluation = train, evaluation
        self.make_reader, self.image_size, self.framing = reader, image_size, framing
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.batches_per_epoch, self.workers = batches_per_epoch, workers
        self.val_clips = val_clips
        if val_clips is not None and (not isinstance(val_clips, int) or val_clips < 1):
            raise ConfigError(f"data.val_clips={val_clips}: must be 1 or more, or null")
        for name, least in (("batch_size", 1), ("eval_batch_size", 1), ("workers", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"data.{name}={value}: must be a whole number, {least} or more")

    def reader(self) -> Reader:
        """What reads the set.

        Raises:
            ConfigError: it is no reader.
        """
        reader = self.make_reader(self.root, self.image_size)
        if not isinstance(reader, Reader):
            kind = type(reader).__name__
            raise ConfigError(f"data.reader: a {kind} is no reader, it needs keys() and open()")
        return reader

    def check_splits(self, splits: Sequence[str]) -> None:
        """Raise ConfigError for a split that is missing or empty."""
        reader = self.reader()
        for split in splits:
            if not reader.keys(split):
                raise ConfigError(f"{self.root}: the reader finds no clip of the split {split}")

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

    def train_dataloader(self) -> DataLoader:
        rank, world = self._place()
        draws = self.batches_per_epoch * self.batch_size * world
        return DataLoader(
            self.train,
            batch_size=self.batch_size,
            sampler=DrawSampler(draws, rank, world),
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader:
        return self._evaluation(self.val)

    def test_dataloader(self) -> DataLoader:
        return self._evaluation(self.test)

    def _evaluation(self, dataset: Dataset) -> DataLoader:
        rank, world = self._place()
        if len(dataset) < world:
            raise ConfigError(
                f"{self.root}: {len(dataset)} samples to evaluate on cannot be shared out among "
                f"{world} processes; use fewer processes or longer split lists"
            )
        return DataLoader(
            Subset(dataset, range(rank, len(dataset), world)),  # each clip once, none twice
            batch_size=self.eval_batch_size,
            num_workers=self.workers,
        )

    def _place(self) -> tuple[int, int]:
        """Rank of this process, and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
