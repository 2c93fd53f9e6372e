"""A callback that names the cause when a run goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from lipsync.data.checks import silent_share, sound_lag
from lipsync.data.datasets import Windows

log = logging.getLogger(__name__)

_CLIPS = 24  # checked before training
_LAG, _PEAK, _RISE = 2, 0.2, 0.1  # frames; correlation there; its excess over that at lag 0
_SILENT = 0.3  # share of windows
_PATIENCE = 1500  # batches; experts usually leave chance level after 100 to 1000
_CHANCE = 0.55  # accuracy
_INSENSITIVE = 0.1  # PSNR in dB that a generator loses with another clip's audio
_SATURATED, _DIVERGED = 0.98, 20.0  # accuracy of a saturated discriminator; loss of a diverged one
_SHOWN = 50  # batches between checks of the discriminator
_STEADY = 4  # consecutive checks


class Diagnostics(Callback):
    """Warn in one line of what is wrong, why, and what to do; once per run and problem.

    Before training: audio out of sync with the mouths, and silence. During training: an expert that
    stays at chance, a generator that copies its reference, a discriminator that has saturated or
    diverged.
    """

    def __init__(self) -> None:
        self.findings: dict[str, str] = {}
        self.lag = 0
        self.silent = 0.0
        self._saturated = 0
        self._worst: Tensor | None = None  # maximum discriminator loss since the last check

    def warn(self, kind: str, text: str) -> None:
        if kind not in self.findings:
            self.findings[kind] = text
            log.warning("%s: %s", kind, text)

    @rank_zero_only
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        dataset = trainer.datamodule.train
        if isinstance(dataset, Windows):
            self.check_data(dataset)

    def check_data(self, dataset: Windows) -> None:
        """Check some clips, evenly spaced over the list."""
        places = np.linspace(0, len(dataset.keys) - 1, min(_CLIPS, len(dataset.keys)))
        clips = [dataset.clip(dataset.keys[int(i)]) for i in places]
        fit = sound_lag(clips)
        reach = len(fit) // 2
        self.lag = int(fit.argmax()) - reach
        self.silent = silent_share(clips)
        if abs(self.lag) > _LAG and fit.max() >= max(_PEAK, fit[reach] + _RISE):
            self.warn(
                "sound out of time",
                f"in {len(clips)} clips mouths move most with sound that is {abs(self.lag)} frames "
                f"{'later' if self.lag > 0 else 'earlier'} (correlation {fit.max():.2f}, unmoved "
                f"{fit[reach]:.2f}); prepare the data again with the sync check",
            )
        if self.silent > _SILENT:
            self.warn(
                "silence",
                f"{self.silent:.0%} of the windows of {len(clips)} clips hold no sound; an expert "
                "cannot tell silent windows apart: leave such clips out",
            )

    @rank_zero_only
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        values = trainer.callback_metrics
        if "train/discriminator" in values:
            loss = values["train/discriminator"]
            self._worst = loss if self._worst is None else torch.maximum(self._worst, loss)
        if self._worst is None or (pl_module.batches_done + 1) % _SHOWN:
            return
        rate = "lower model.discriminator_optimizer.lr"
        loss, self._worst = float(self._worst), None
        if loss > _DIVERGED:
            text = f"its loss is {loss:.3g}, chance is 0.69; {rate}"
            self.warn("discriminator diverged", text)
        # LipGAN's discriminator has one accuracy per kind of negative.
        accuracies = [v for k, v in values.items() if k.startswith("train/discriminator_accuracy")]
        saturated = bool(accuracies) and float(min(accuracies)) >= _SATURATED and loss <= _DIVERGED
        self._saturated = self._saturated + 1 if saturated else 0
        if self._saturated >= _STEADY:
            self.warn(
                "discriminator saturated",
                f"it is right on {_SATURATED:.0%} and more of the pictures for {_STEADY * _SHOWN} "
                f"batches, so it teaches the generator nothing; {rate} or raise "
                "model.loss.adversarial",
            )

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.state.fn != "fit" or pl_module.batches_done < _PATIENCE:
            return
        values, done = trainer.callback_metrics, pl_module.batches_done
        if float(values.get("val/off_sync_accuracy", 1.0)) < _CHANCE:
            gap = min((t.min_gap for t in getattr(pl_module, "terms", {}).values()), default=0)
            causes = ", ".join(self._causes(gap)) or (
                "no misaligned sound, silence or near negatives found: try "
                "model.augment=null, another learning rate, more speakers"
            )
            self.warn(
                "expert at chance",
                f"after {done} batches (bce 0.69 is chance; usual is to leave it within 1000); "
                f"{causes}",
            )
        sensitivity = float(values.get("val/audio_sensitivity_db", 1.0))
        if sensitivity < _INSENSITIVE:
            self.warn(
                "generator ignores the sound",
                f"after {done} batches another clip's sound changes its pictures by "
                f"{sensitivity:.2f} dB: it copies its reference or paints an average; raise "
                "model.loss.sync, check the expert on these data",
            )

    def _causes(self, gap: int) -> Iterator[str]:
        if "sound out of time" in self.findings:
            yield f"the sound is {abs(self.lag)} frames out of time"
        if "silence" in self.findings:
            yield f"{self.silent:.0%} of the windows are silent"
        if gap < 2:
            yield f"negatives {gap} frame away cannot be told from the positive: raise the gap"
