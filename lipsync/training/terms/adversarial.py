"""Terms with an opponent: a discriminator that learns beside the generator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lipsync import losses
from lipsync.seeds import seed_of
from lipsync.training.step import Step
from lipsync.training.terms.base import Term
from lipsync.training.terms.sync import check_alike


class AdversarialTerm(Term):
    """A term that asks the discriminator of the training, and says what that has to learn."""

    shifted = 0
    """Frames to sound of the same clip that counts as out of sync; 0 where none is needed."""

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        pair = {role: networks[role] for role in ("generator", "discriminator")}
        check_alike("both follow data.image_size", **pair)
        self.__dict__["discriminator"] = networks["discriminator"]  # not a part of this module

    @abstractmethod
    def discriminator_loss(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """What the discriminator has to make small, ``step.fake`` detached; and values to log."""


class Adversarial(AdversarialTerm):
    """Real or generated, frame by frame: cross-entropy, as published (Wav2Lip, section 3.3)."""

    def discriminator_loss(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        on_real = self.discriminator.logits(step.target.flatten(0, 1)).float()
        on_fake = self.discriminator.logits(step.fake.flatten(0, 1)).float()
        right = ((on_real > 0).float().mean() + (on_fake < 0).float().mean()) / 2
        return losses.discriminator_bce(on_real, on_fake), {
            "discriminator_accuracy": right,
            "logit_real": on_real.mean(),
            "logit_fake": on_fake.mean(),
        }

    def forward(self, step: Step) -> Tensor:
        logits = self.discriminator.logits(step.fake.flatten(0, 1))
        return losses.adversarial_bce(logits.float())


class SyncAdversarial(AdversarialTerm):
    """LipGAN's: the discriminator learns how far a face is from its sound (Prajwal et al. 2019).

    Real faces with their sound are near, and every batch, as a coin falls, generated faces or real
    faces with shifted sound are not.

    Args:
        margin: distance of the embeddings from which a pair counts as fully out of sync.
        min_gap: least distance of shifted sound, in frames.
        seed: of the coin.
        weight: see :class:`Term`.
    """

    def __init__(
        self, *, margin: float = 1.0, min_gap: int = 5, seed: int = 0, weight: float = 1.0
    ) -> None:
        super().__init__(weight)
        self.margin, self.shifted, self.seed = margin, min_gap, seed

    def distance(self, sound: Tensor, faces: Tensor) -> Tensor:
        """How far faces (N, T, 3, S, S) are from sound (N, T, 1, bands, columns): (N * T,)."""
        return self.discriminator(sound.flatten(0, 1), faces.flatten(0, 1))

    def discriminator_loss(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        real = self.distance(step.sound, step.target)
        if seed_of(self.seed, "coin", step.batch) % 2:  # in all processes alike
            kind, other = "shifted", self.distance(step.shifted, step.target)
        else:
            kind, other = "generated", self.distance(step.sound, step.fake)
        loss = losses.margin_contrastive(real, torch.ones_like(real), self.margin)
        loss = loss + losses.margin_contrastive(other, torch.zeros_like(other), self.margin)
        middle = self.margin / 2
        right = ((real < middle).float().mean() + (other >= middle).float().mean()) / 2
        return loss / 2, {
            f"discriminator_accuracy_{kind}": right,
            "distance_real": real.mean(),
            f"distance_{kind}": other.mean(),
        }

    def forward(self, step: Step) -> Tensor:
        distance = self.distance(step.sound, step.fake)
        return losses.margin_contrastive(distance, torch.ones_like(distance), self.margin)
