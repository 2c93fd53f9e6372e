"""Training of LipGAN (Prajwal et al. 2019): L1 + a discriminator of face and speech together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lipsync import losses
from lipsync.data.store import Clip
from lipsync.metrics import OffSyncAccuracy
from lipsync.training.adversarial import AdversarialTraining, check_image_sizes
from lipsync.training.batches import batch_rng, to_float
from lipsync.windows import frame_mfccs


class LipGANTraining(AdversarialTraining):
    """Teaches a generator single frames, against a discriminator that also listens.

    The discriminator learns that real faces with their sound are near, and every batch, as a coin
    falls, that generated faces or real faces with shifted sound are not. On evaluation sets it is
    asked which of a real face's two sounds is its own.

    Args:
        generator: a :class:`lipsync.models.LipGAN`.
        margin: distance of the embeddings from which a pair counts as fully out of sync.
        options: of :class:`AdversarialTraining`; the terms of ``loss`` are ``reconstruction``,
            ``lower`` and ``adversarial``, a ``discriminator`` is a
            :class:`lipsync.models.LipGANDiscriminator`.
    """

    sound = "mfcc"

    def __init__(self, generator: nn.Module, *, margin: float = 1.0, **options: Any) -> None:
        super().__init__(generator, **options)
        check_image_sizes(
            "both follow data.image_size",
            generator=generator,
            discriminator=self.discriminator,
        )
        self.margin = margin
        self.register_buffer("threshold", torch.tensor(margin / 2))  # of the distance, fixed on val
        self.judge = OffSyncAccuracy()

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        target, reference = to_float(batch["target"]), to_float(batch["reference"])
        coin = torch.rand((), generator=batch_rng(self.seed + 1, self.batches_done))
        shift = bool(coin < 0.5)  # in all processes alike
        if self.augment is not None:
            rng, strength = self.augment_rng(), self.augment.strength(self.batches_done)
            target, reference = self.augment.pair(target, reference, strength, rng)
        return {**batch, "target": target, "reference": reference, "shift": shift}

    def clip_sound(self, clip: Clip, frames: int) -> np.ndarray:
        return frame_mfccs(clip.mfcc, np.arange(frames))

    def distance(self, mfcc: Tensor, faces: Tensor) -> Tensor:
        """How far the discriminator finds faces (B, T, 3, H, W) from their sounds: (B * T,)."""
        return self.discriminator(mfcc.flatten(0, 1), faces.flatten(0, 1))

    def discriminator_loss(
        self, inputs: dict[str, Any], fake: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        mfcc, target = inputs["mfcc"], inputs["target"]
        real = self.distance(mfcc, target)
        if inputs["shift"]:
            kind, other = "shifted", self.distance(inputs["shifted_mfcc"], target)
        else:
            kind, other = "generated", self.distance(mfcc, fake)
        loss = losses.margin_contrastive(real, torch.ones_like(real), self.margin)
        loss = loss + losses.margin_contrastive(other, torch.zeros_like(other), self.margin)
        middle = self.margin / 2
        right = ((real < middle).float().mean() + (other >= middle).float().mean()) / 2
        return loss / 2, {
            f"discriminator_accuracy_{kind}": right,
            "distance_real": real.mean(),
            f"distance_{kind}": other.mean(),
        }

    def terms(self, inputs: dict[str, Any], fake: Tensor) -> dict[str, Tensor]:
        terms = {
            "reconstruction": losses.reconstruction(fake, inputs["target"]),
            "lower": losses.lower_reconstruction(fake, inputs["target"]),
        }
        if self.discriminator is not None:
            distance = self.distance(inputs["mfcc"], fake)
            target = torch.ones_like(distance)
            terms["adversarial"] = losses.margin_contrastive(distance, target, self.margin)
        return terms

    def evaluate(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        pictures = super().evaluate(batch)
        if self.discriminator is not None:
            own, shifted = (
                self.distance(batch[name], pictures["real"]) for name in ("mfcc", "shifted_mfcc")
            )
            self.judge.update(-own, -shifted)  # scores: higher is more in sync
        return pictures

    def finish(self, stage: str) -> dict[str, float]:
        values = super().finish(stage)
        if self.discriminator is not None:
            self.judge.threshold = None if stage == "val" else -float(self.threshold)
            judged = {name: float(value) for name, value in self.judge.compute().items()}
            self.judge.reset()
            if stage == "val":
                self.threshold.fill_(-judged["threshold"])
            values[f"{stage}/discriminator_auc"] = judged["auc"]
            values[f"{stage}/discriminator_accuracy"] = judged["accuracy"]
        return values
