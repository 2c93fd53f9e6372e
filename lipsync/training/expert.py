"""Training of a lip-sync expert."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from lipsync import losses
from lipsync.errors import ConfigError
from lipsync.metrics.lags import MAX_LAG, LagReport
from lipsync.training.base import Training
from lipsync.training.batches import expert_faces, to_float
from lipsync.training.optim import parameter_groups
from lipsync.training.weights import architecture, start_from

_LOG_TEMPERATURES = (math.log(0.01), math.log(1.0))


class ExpertTraining(Training):
    """Learns to tell sound that belongs to a face window from sound of the same clip that does not.

    Args:
        expert: a :class:`lipsync.models.SyncNet`.
        min_gap: least distance of a negative window in frames, in training and in the scores.
        contrastive_gap: the same for the contrastive term, which profits from near negatives.
        init_from: weights to begin with: what :func:`lipsync.checkpoints.load_model` takes; None
            begins anew.
        options: of :class:`Training`; the terms of ``loss`` are ``bce`` (as published) and
            ``contrastive``.

    Raises:
        CheckpointError: weights of another network, or of other sizes.
    """

    sound: ClassVar[str] = "mel"
    layout: ClassVar[torch.memory_format] = torch.channels_last

    def __init__(
        self,
        expert: nn.Module,
        *,
        min_gap: int = 5,
        contrastive_gap: int = 2,
        init_from: str | Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not 0 < min_gap <= MAX_LAG:
            raise ConfigError(f"model.min_gap={min_gap}: must be 1 to {MAX_LAG} frames")
        self.expert = expert.to(memory_format=self.layout)
        if init_from is not None:
            start_from(self.expert, init_from, "expert")
        self.temperature = nn.Parameter(torch.tensor(0.07).log())
        self.min_gap, self.contrastive_gap = min_gap, contrastive_gap
        self.register_buffer("threshold", torch.tensor(0.5))  # of the cosine, fixed on val
        self.report, self.bce = LagReport(min_gap), MeanMetric()
        self.results: dict[str, Any] = {}  # of the last evaluation, for plots

    def embed(self, faces: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Float faces (C, K, 5, 3, H/2, W) and mel (C, K, 1, 80, 16) -> audio, face (C, K, D)."""
        clips, windows = sound.shape[:2]
        audio, face = self.expert(sound.flatten(0, 1), self.seen(faces))
        return audio.view(clips, windows, -1), face.view(clips, windows, -1)

    def seen(self, faces: Tensor) -> Tensor:
        """Float faces of windows as the network takes them."""
        return expert_faces(faces).contiguous(memory_format=torch.channels_last)

    def augment_sound(self, sound: Tensor, strength: float, rng: torch.Generator) -> Tensor:
        return self.augment.mel(sound, strength, rng)

    def terms(self, audio: Tensor, face: Tensor, start: Tensor) -> dict[str, Tensor]:
        """Every term of the objective, unweighted."""
        with torch.no_grad():  # a clamp of the value would stop the gradient beyond its bounds
            self.temperature.clamp_(*_LOG_TEMPERATURES)
        temperature = self.temperature.exp()
        return {
            "bce": losses.pairs_bce(audio, face, start, self.min_gap),
            "contrastive": losses.clip_info_nce(
                audio, face, start, temperature, self.contrastive_gap
            ),
        }

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        faces, sound = to_float(batch["faces"]), batch[self.sound]
        if self.augment is not None:
            strength = self.augment.strength(self.batches_done)
            rng = self.augment_rng()
            pictures = self.augment.faces(faces.flatten(1, 2), strength, rng)
            faces = pictures.view_as(faces)
            sound = self.augment_sound(sound, strength, rng)
        audio, face = self.embed(faces, sound)
        terms = self.terms(audio, face, batch["start"])
        loss = losses.weighted_sum(terms, self.loss_weights)
        self.descend(self.optimizers(), loss, batch)
        self.step_schedules()
        self.log_training({**terms, "loss": loss}, len(sound))

    def evaluate(self, batch: dict[str, Any]) -> None:
        audio, face = self.embed(to_float(batch["faces"]), batch[self.sound])
        for one_audio, one_face in zip(audio, face, strict=True):
            self.report.update(one_audio, one_face)
        if audio.shape[1] > self.min_gap:
            value = losses.pairs_bce(audio, face, batch["start"], self.min_gap)
            self.bce.update(value, weight=len(audio))

    def finish(self, stage: str) -> dict[str, float]:
        self.report.threshold = None if stage == "val" else float(self.threshold)
        self.results = results = self.report.compute()
        bce = float(self.bce.compute())
        self.report.reset()
        self.bce.reset()
        if stage == "val":
            self.threshold.fill_(results["threshold"])
        return {
            f"{stage}/bce": bce,
            f"{stage}/off_sync_accuracy": results["accuracy"],
            f"{stage}/auc": results["auc"],
            f"{stage}/threshold": results["threshold"],
            f"{stage}/offset_within_1": results["offset_within_1"],
            **{f"{stage}/accuracy_gap_{g}": a for g, a in results["gaps"].items()},
        }

    def make_optimizers(self) -> list[Optimizer]:
        return [self.make_optimizer(parameter_groups(self))]

    def about(self) -> dict[str, Any]:
        return architecture(self.expert, "expert.")
