"""What the trainings of face generators share: the step, the schedules, and the baselines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from lipsync import losses
from lipsync.data.store import Clip
from lipsync.errors import ConfigError
from lipsync.metrics import LowerHalfPSNR
from lipsync.training.base import Training
from lipsync.training.batches import generator_faces, to_float
from lipsync.training.optim import parameter_groups
from lipsync.training.weights import architecture, start_from

# What a generator is measured beside: its own pictures, its pictures for another clip's sound, the
# reference pasted in unchanged, and the true frames.
SYSTEMS = ("generated", "swapped_audio", "copied_reference", "real")
_CHUNK = 25  # frames of a clip painted at a time


class AdversarialTraining(Training):
    """A generator of faces, with or without a discriminator that it has to convince.

    One forward of the generator serves the discriminator's step and its own. Subclasses name the
    ``sound`` field of a batch and write :meth:`prepare`, :meth:`discriminator_loss` and
    :meth:`terms`.

    Args:
        generator: a :class:`lipsync.models.FaceGenerator`.
        discriminator: None trains without.
        discriminator_optimizer: makes its optimiser; None takes ``optimizer`` for both.
        init_from, discriminator_init_from: weights to begin with: what
            :func:`lipsync.checkpoints.load_model` takes; None begins anew.
        options: of :class:`Training`; the terms of ``loss`` are the generator's.

    Raises:
        ConfigError: networks for different image sizes.
        CheckpointError: weights of another network, or of other sizes.
    """

    sound: ClassVar[str]

    def __init__(
        self,
        generator: nn.Module,
        *,
        discriminator: nn.Module | None = None,
        discriminator_optimizer: Callable[..., Optimizer] | None = None,
        init_from: str | Path | None = None,
        discriminator_init_from: str | Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.generator = generator.to(memory_format=torch.channels_last)
        if init_from is not None:
            start_from(self.generator, init_from, "generator")
        self.discriminator = discriminator
        if discriminator is None:
            self.loss_weights.pop("adversarial", None)
        else:
            self.discriminator = discriminator.to(memory_format=torch.channels_last)
            if discriminator_init_from is not None:
                start_from(self.discriminator, discriminator_init_from, "discriminator")
        self.make_discriminator_optimizer = discriminator_optimizer or self.make_optimizer
        self.psnr = nn.ModuleDict({name: LowerHalfPSNR() for name in SYSTEMS})
        self.l1 = nn.ModuleDict({name: MeanMetric() for name in SYSTEMS})

    @abstractmethod
    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A training batch on its device, its pictures float and augmented."""

    @abstractmethod
    def discriminator_loss(
        self, inputs: dict[str, Any], fake: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the discriminator pays, given detached generated faces; and values to log."""

    @abstractmethod
    def terms(self, inputs: dict[str, Any], fake: Tensor) -> dict[str, Tensor]:
        """Every term of the generator's objective, unweighted."""

    @abstractmethod
    def clip_sound(self, clip: Clip, frames: int) -> np.ndarray:
        """What the generator hears in each of the first ``frames`` frames of a clip."""

    def weights(self) -> dict[str, float]:
        """The weights of the terms at this batch."""
        return self.loss_weights

    def forward(self, sound: Tensor, target: Tensor, reference: Tensor) -> Tensor:
        """Paint frames: sound (B, T, ...), pictures (B, T, 3, H, W) -> (B, T, 3, H, W)."""
        reference_first = self.generator.reference_first
        return self.generator(sound, generator_faces(target, reference, reference_first))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        inputs, weights = self.prepare(batch), self.weights()
        optimizer, *others = self.all_optimizers()
        values: dict[str, Tensor] = {}
        fake = self(inputs[self.sound], inputs["target"], inputs["reference"])

        for other in others:  # the discriminator's, if there is one
            with self.toggled_optimizer(other):
                loss, values = self.discriminator_loss(inputs, fake.detach())
                self.descend(other, loss, batch)
            values["discriminator"] = loss

        with self.toggled_optimizer(optimizer):
            terms = self.terms(inputs, fake)
            loss = losses.weighted_sum(terms, weights)
            self.descend(optimizer, loss, batch)
        self.step_schedules()
        self.log_training({**values, **terms, "loss": loss}, len(fake))

    def paint_systems(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The pictures of every system in :data:`SYSTEMS` for an evaluation batch, in [0, 1]."""
        target, reference = to_float(batch["target"]), to_float(batch["reference"])
        return {
            "generated": self(batch[self.sound], target, reference).float(),
            "swapped_audio": self(batch[f"swapped_{self.sound}"], target, reference).float(),
            "copied_reference": reference,
            "real": target,
        }

    @torch.no_grad()
    def paint_clip(self, clip: Clip, frames: int) -> Tensor:
        """The first frames of a clip as generated: (frames, 3, H, W) in [0, 1].

        Each is painted beside the frame half a clip away.
        """
        pixels = torch.from_numpy(np.array(clip.faces[:frames])).to(self.device)
        target = to_float(pixels)
        reference = target.roll(frames // 2, dims=0)
        sound = torch.from_numpy(self.clip_sound(clip, frames)).to(self.device)
        parts = zip(*(x.split(_CHUNK) for x in (sound, target, reference)), strict=True)
        return torch.cat([self(*(x[None] for x in part))[0].float() for part in parts])

    def evaluate(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Returns the pictures of the systems."""
        pictures = self.paint_systems(batch)
        real, count = pictures["real"], len(pictures["real"])
        for name, faces in pictures.items():
            self.psnr[name].update(faces.flatten(0, 1), real.flatten(0, 1))
            self.l1[name].update(losses.lower_reconstruction(faces, real), count)
        return pictures

    def finish(self, stage: str) -> dict[str, float]:
        """Also ``<stage>/score``, which sweeps minimise."""
        values: dict[str, float] = {}
        for name in SYSTEMS:
            if name != "real":  # infinite
                values[f"{stage}/psnr_{name}"] = float(self.psnr[name].compute())
            values[f"{stage}/l1_{name}"] = float(self.l1[name].compute())
            self.psnr[name].reset()
            self.l1[name].reset()
        values[f"{stage}/listening_db"] = (
            values[f"{stage}/psnr_generated"] - values[f"{stage}/psnr_swapped_audio"]
        )
        values[f"{stage}/score"] = values[f"{stage}/l1_generated"]
        return values

    def make_optimizers(self) -> list[Optimizer]:
        optimizers = [self.make_optimizer(parameter_groups(self.generator))]
        if self.discriminator is not None:
            groups = parameter_groups(self.discriminator)
            optimizers.append(self.make_discriminator_optimizer(groups))
        return optimizers

    def about(self) -> dict[str, Any]:
        about = architecture(self.generator, "generator.")
        if self.discriminator is not None:
            about["discriminator"] = architecture(self.discriminator, "discriminator.")
        return about


def check_image_sizes(remedy: str, **networks: nn.Module | None) -> None:
    """Raise ConfigError unless all networks are for faces of one size."""
    given = {name: network for name, network in networks.items() if network is not None}
    sizes = sorted({network.config["image_size"] for network in given.values()})
    if len(sizes) > 1:
        *first, last = given
        names = f"{', '.join(first)} and {last}"
        raise ConfigError(f"{names} are for different image sizes {sizes}; {remedy}")
