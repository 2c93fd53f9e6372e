"""Images logged during training: curves of an expert, face sheets of a generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from lipsync.faces.framing import Framing
from lipsync.training.batches import framing_of
from lipsync.training.step import Step

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Pictures(Callback):
    """Save an image after every validation as a PNG, and log it where a logger supports images."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def show(self, trainer: pl.Trainer, name: str, picture: np.ndarray) -> None:
        """Save and log ``picture``, uint8 (H, W, 3) RGB."""
        if not trainer.is_global_zero:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        batch = batches_seen(trainer)
        Image.fromarray(picture).save(self.path / f"{name}-{batch:07d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(name, picture, batch, dataformats="HWC")
            elif isinstance(logger, WandbLogger):
                logger.log_image(name, [picture], step=batch)


def batches_seen(trainer: pl.Trainer) -> int:
    """Training batches up to the end of this epoch."""
    return (trainer.current_epoch + 1) * trainer.num_training_batches


class ExpertCurves(Pictures):
    """Mean cosine similarity by lag, and off-sync accuracy by gap of the negatives."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        results = pl_module.results
        profile = results["profile"].numpy()
        reach = len(profile) // 2
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        left.plot(np.arange(-reach, reach + 1), profile, marker=".")
        left.set(xlabel="lag of the sound (frames)", ylabel="mean cosine", title="offset curve")
        gaps = results["gaps"]
        right.plot(list(gaps), list(gaps.values()), marker="o")
        right.set(xlabel="gap of the negatives (frames)", ylabel="accuracy", ylim=(0.45, 1.0))
        right.set_title(f"off-sync accuracy, threshold {results['threshold']:.2f}")
        figure.canvas.draw()
        picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
        plt.close(figure)
        self.show(trainer, "curves", picture)


class GeneratorSheet(Pictures):
    """Rows: target, input, reference, generated, generated with swapped audio; five frames a clip.

    Args:
        path: folder of the PNGs.
        clips: number of validation clips, evenly spaced over the split.
    """

    def __init__(self, path: str | Path, clips: int = 3) -> None:
        super().__init__(path)
        self.clips = clips

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        dataset = trainer.datamodule.val
        chosen = np.linspace(0, len(dataset) - 1, self.clips).astype(int)
        batch = torch.utils.data.default_collate([dataset[int(i)] for i in chosen])
        batch = pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            steps = pl_module.paint_systems(batch)
        middle = {
            s: replace(step, fake=_middle(step.fake, len(chosen))) for s, step in steps.items()
        }
        self.show(trainer, "sheet", face_sheet(middle, framing_of(pl_module.generator)))


def _middle(windows: torch.Tensor, clips: int) -> torch.Tensor:
    """First five frames of the middle window of each clip, from windows (clips * K, ...)."""
    each = windows.unflatten(0, (clips, -1))
    return each[:, each.shape[1] // 2, :5]


def face_sheet(steps: Mapping[str, Step], framing: Framing) -> np.ndarray:
    """Result of :meth:`GeneratorTraining.paint_systems` as one image, uint8 (H, W, 3).

    Rows: target, input, reference, generated, generated with another clip's audio.
    """
    real = steps["real"].fake
    systems = ("copied_reference", "generated", "swapped_audio")
    rows = [real, framing.hide(real), *(steps[system].fake for system in systems)]
    # Each row (N, T, 3, H, W) -> (3, H, N * T * W).
    lines = [torch.cat(list(row.flatten(0, 1)), dim=-1) for row in rows]
    sheet = torch.cat(lines, dim=-2).clamp(0, 1).mul(255).round().to(torch.uint8)
    return sheet.permute(1, 2, 0).cpu().numpy()
