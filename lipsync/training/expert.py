"""Training of lip-sync experts and judges, which embed windows of faces and of audio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from lipsync import losses
from lipsync.data.inputs import Inputs, Span
from lipsync.errors import ConfigError
from lipsync.features import feature_of
from lipsync.metrics.lags import LagReport
from lipsync.models.base import Network, check_network
from lipsync.training.base import Training, compute_and_reset
from lipsync.training.batches import to_float
from lipsync.training.frozen import layout
from lipsync.training.terms import Term, weighted_terms
from lipsync.training.terms.pairs import check_gap
from lipsync.training.weights import architecture, start_from

_CHUNK = 64  # windows of a clip embedded at a time
_SEEN_AND_HEARD = ("image_size", "framing", "feature", "window")


class ExpertTraining(Training):
    """Train an expert to distinguish in-sync from off-sync audio of the same clip.

    Args:
        expert: a :class:`lipsync.models.SyncNet`, or a :class:`lipsync.models.SyncNetV2` with unit
            embeddings.
        loss: name -> weight, or a term with a weight; see :func:`.terms.weighted_terms`.
        terms: name -> :class:`.terms.Term`, called on audio, face (C, K, D) and first frames.
        min_gap: minimum offset of off-sync pairs in the validation metrics, in frames.
        init_from: initial weights, as for :func:`lipsync.checkpoints.load_model`; None trains from
            scratch.
        options: see :class:`Training`.

    Raises:
        ConfigError: invalid terms or gap.
        CheckpointError: weights of another network, or of other sizes.
    """

    def __init__(
        self,
        expert: nn.Module,
        loss: Mapping[str, Any],
        *,
        terms: Mapping[str, Term] | None = None,
        min_gap: int = 5,
        init_from: str | Path | None = None,
        **options: Any,
    ) -> None:
        check_network("model.expert", expert, Network, _SEEN_AND_HEARD)
        check_gap("model.min_gap", min_gap)
        used, weights = weighted_terms(loss, terms)
        super().__init__(loss=weights, **options)
        self.expert, self.terms = expert.to(memory_format=layout(expert)), used
        for name, term in used.items():
            term.attach(name, {"expert": expert})
        self.feature, self.window = feature_of(expert), expert.config["window"]
        self.check_augmentation([self.feature])
        if init_from is not None:
            start_from(self.expert, init_from, "expert")
        self.min_gap = min_gap
        self.register_buffer("threshold", torch.tensor(0.5))  # on the cosine, chosen on val
        self.report, self.bce = LagReport(min_gap), MeanMetric()
        self.results: dict[str, Any] = {}  # of the last evaluation, for plots

    def inputs(self, evaluation: bool = False) -> Inputs:
        """Contents of a sample."""
        config = self.expert.config
        return Inputs(
            image_size=config["image_size"],
            framing=config["framing"],
            spans={"expert": self.span(evaluation)},
            lower_half=self.expert.lower_half,
        )

    def span(self, evaluation: bool) -> Span:
        """Audio of a sample."""
        return Span(self.feature, self.window)

    def check_data(self, train: Any) -> None:
        """Raise ConfigError if training samples contain no negatives."""
        if train.windows < 2:
            raise ConfigError(
                f"data.train.windows={train.windows}: the windows of a clip serve as each "
                "other's negatives; set it to 2 or more"
            )

    def embed(self, faces: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Float faces (C, K, T, 3, rows, W) and audio (C, K, ...) -> audio, face (C, K, D)."""
        clips = len(sound)
        seen = self.expert.see(faces.flatten(0, 1))
        audio, face = self.encode(sound.flatten(0, 1), seen)
        return audio.unflatten(0, (clips, -1)), face.unflatten(0, (clips, -1))

    def shrink(self, faces: Tensor) -> Tensor:
        """Resize faces before augmentation, to save time; here a no-op."""
        return faces

    def encode(self, sound: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Audio (B, 1, bands, columns) and the expert's face input -> audio, face (B, D)."""
        return self.expert(sound, seen)

    def window_sets(self, batch: dict[str, Any], faces: Tensor, sound: Tensor) -> list[tuple]:
        """Sets of windows over which terms are averaged: audio, face (C, K, D), start (C, K)."""
        return [(*self.embed(faces, sound), batch["start"])]

    def embed_clip(self, faces: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 frames (n, rows, W, 3) and audio of all windows (k, ...) -> audio, face (k, D)."""
        parts = []
        for first in range(0, len(sound), _CHUNK):
            heard = sound[first : first + _CHUNK]
            frames = to_float(faces[first : first + len(heard) + self.window - 1])
            windows = frames.unfold(0, self.window, 1).movedim(-1, 1)  # (k, T, 3, rows, W)
            parts.append(self.embed(windows[None], heard[None]))
        return tuple(torch.cat([part[i][0] for part in parts]) for i in range(2))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        faces, sound = self.shrink(to_float(batch["faces"])), batch["sound_expert"]
        if self.augment is not None:
            batch_number, rng = self.batches_done, self.augment_rng()
            faces = self.augment.faces(faces.flatten(1, 2), batch_number, rng).view_as(faces)
            change = self.augment.sounds(len(sound), batch_number, rng)
            sound = change(self.feature, sound)
        compared = self.window_sets(batch, faces, sound)
        terms = {
            name: torch.stack([term(*windows) for windows in compared]).mean()
            for name, term in self.terms.items()
        }
        loss = losses.weighted_sum(terms, self.loss_weights)
        self.descend(self.optimizers(), loss, batch)
        self.step_schedules()
        self.log_training({**terms, "loss": loss}, len(sound))

    def evaluate(self, batch: dict[str, Any]) -> None:
        for faces, sound, start in zip(
            batch["faces"], batch["sound_expert"], batch["start"], strict=True
        ):
            audio, face = self.embed_clip(faces, sound)
            self.report.update(audio, face)
            if len(face) > self.min_gap:
                first = start[None, : len(face)]
                self.bce.update(losses.pairs_bce(audio[None], face[None], first, self.min_gap))

    def finish(self, stage: str) -> dict[str, float]:
        self.report.threshold = None if stage == "val" else float(self.threshold)
        self.results = results = self.report.compute()
        self.report.reset()
        if stage == "val":
            self.threshold.fill_(results["threshold"])
        return {
            f"{stage}/bce": compute_and_reset(self.bce),
            f"{stage}/off_sync_accuracy": results["accuracy"],
            f"{stage}/auc": results["auc"],
            f"{stage}/threshold": results["threshold"],
            f"{stage}/offset_within_1": results["offset_within_1"],
            **{f"{stage}/accuracy_gap_{g}": a for g, a in results["gaps"].items()},
        }

    def about(self) -> dict[str, Any]:
        return architecture(self.expert, "expert.")
