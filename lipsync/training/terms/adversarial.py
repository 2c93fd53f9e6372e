"""Adversarial terms, with a discriminator that is trained along with the generator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lipsync import losses
from lipsync.errors import ConfigError
from lipsync.seeds import seed_of
from lipsync.training.step import Step
from lipsync.training.terms.base import Term
from lipsync.training.terms.sync import check_alike


class AdversarialTerm(Term):
    """A term computed by the discriminator, which also defines the discriminator's own loss."""

    shifted = 0
    """Minimum shift in frames of off-sync audio from the same clip; 0 if not needed."""

    asks = "forward"
    """Method of the discriminator that this term calls."""

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        if not hasattr(networks["discriminator"], self.asks):
            kind = type(networks["discriminator"]).__name__
            raise ConfigError(
                f"model.loss.{name}: {type(self).__name__} asks nothing that a {kind} can tell; "
                "choose another model.discriminator, or give this term no weight"
            )
        pair = {role: networks[role] for role in ("generator", "discriminator")}
        check_alike("both follow data.image_size", **pair)
        self.__dict__["discriminator"] = networks["discriminator"]  # not a submodule

    @abstractmethod
    def discriminator_loss(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of the discriminator, given a detached ``step.fake``, and values to log."""


class Adversarial(AdversarialTerm):
    """Cross-entropy on real or generated, frame by frame, as published (Wav2Lip, section 3.3)."""

    asks = "logits"

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


class Patches(AdversarialTerm):
    """Cross-entropy on real or generated, patch by patch, in one view of a `PatchDiscriminator`.

    Optionally adds feature matching: the mean absolute difference between the discriminator's
    features of generated and of true images (Wang et al. 2018, section 3.3).

    Args:
        view: name of one of the discriminator's views.
        matching: weight of feature matching, relative to the cross-entropy.
        weight: see :class:`Term`.
    """

    asks = "look"

    def __init__(self, view: str, *, matching: float = 0.0, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.view, self.matching = view, matching

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        super().attach(name, networks)
        views = self.discriminator.config["views"]
        if self.view not in views:
            raise ConfigError(
                f"model.terms.{name}.view={self.view}: the discriminator has {', '.join(views)}"
            )

    def look(self, faces: Tensor) -> list[Tensor]:
        """Feature maps of the view's network for windows (N, T, 3, S, S); the last are logits."""
        frames = self.discriminator.config["views"][self.view]["frames"]
        if faces.shape[1] < frames:
            raise ConfigError(
                f"model.frames={faces.shape[1]}: the view {self.view} takes {frames} in a row; "
                f"set model.frames={frames}"
            )
        return self.discriminator.look(self.view, faces)

    def discriminator_loss(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = (self.look(x)[-1].float() for x in (step.target, step.fake))
        right = ((on_real > 0).float().mean() + (on_fake < 0).float().mean()) / 2
        return losses.discriminator_bce(on_real, on_fake), {
            f"discriminator_accuracy_{self.view}": right
        }

    def forward(self, step: Step) -> Tensor:
        *found, logits = self.look(step.fake)
        value = losses.adversarial_bce(logits.float())
        if self.matching:
            with torch.no_grad():
                *wanted, _ = self.look(step.target)
            pairs = zip(found, wanted, strict=True)
            value = value + self.matching * torch.stack([F.l1_loss(*pair) for pair in pairs]).mean()
        return value


class SyncAdversarial(AdversarialTerm):
    """LipGAN's contrastive term: a discriminator that measures sync (Prajwal et al. 2019).

    Positives are real faces with their audio. Negatives are, at random per batch, either generated
    faces or real faces with shifted audio.

    Args:
        margin: embedding distance beyond which a negative contributes no loss.
        min_gap: minimum shift of the audio, in frames.
        seed: of the choice of negatives.
        weight: see :class:`Term`.
    """

    def __init__(
        self, *, margin: float = 1.0, min_gap: int = 5, seed: int = 0, weight: float = 1.0
    ) -> None:
        super().__init__(weight)
        self.margin, self.shifted, self.seed = margin, min_gap, seed

    def distance(self, sound: Tensor, faces: Tensor) -> Tensor:
        """Distance between faces (N, T, 3, S, S) and sound (N, T, 1, bands, columns): (N * T,)."""
        return self.discriminator(sound.flatten(0, 1), faces.flatten(0, 1))

    def discriminator_loss(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        real = self.distance(step.sound, step.target)
        if seed_of(self.seed, "coin", step.batch) % 2:  # the same in all processes
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
