"""Training of Wav2Lip: reconstruction + sync + adversarial, with or without the discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from lipsync import losses
from lipsync.checkpoints import load_model
from lipsync.errors import ConfigError
from lipsync.metrics import LowerHalfPSNR
from lipsync.training.augment import Augment
from lipsync.training.batches import batch_rng, expert_faces, generator_faces, to_float
from lipsync.windows import lower_half

# What a generator is measured beside: its own pictures, its pictures for another clip's sound, the
# reference pasted in unchanged, and the true frames.
SYSTEMS = ("generated", "swapped_audio", "copied_reference", "real")


class GeneratorTraining(pl.LightningModule):
    """Teaches a generator to paint the lower half of a face so that it speaks the given sound.

    One forward of the generator serves the discriminator's step and its own.

    Args:
        generator: a :class:`lipsync.models.Wav2Lip`.
        expert: a trained :class:`lipsync.models.SyncNet`, or what :func:`load_model` takes: a path
            or the name of a bundled expert. It is kept frozen and out of the checkpoints.
        discriminator: a :class:`lipsync.models.QualityDiscriminator`; None trains without.
        optimizer, discriminator_optimizer: make the optimisers from parameters.
        schedule: makes a per-batch schedule from ``(optimizer, total)``.
        loss: weights of ``reconstruction``, ``lower``, ``sync`` and ``adversarial``.
        sync_threshold: the sync weight is 0 until the validation sync loss is below this; None
            switches it on from the start.
        sync_ramp: batches over which the sync weight then grows to its full value.
        augment: what happens to training batches; None leaves them as they are.
        seed: of the augmentation.
    """

    automatic_optimization = False
    def __init__(
        self,
        generator: nn.Module,
        expert: nn.Module | str | Path,
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., Any],
        loss: dict[str, float],
        discriminator: nn.Module | None = None,
        discriminator_optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        sync_threshold: float | None = 0.75,
        sync_ramp: int = 0,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator
        if discriminator is not None:
            self.discriminator = discriminator.to(memory_format=torch.channels_last)
        if not isinstance(expert, nn.Module):
            expert = load_model(expert)
        sizes = {part.config["image_size"] for part in (generator, expert, discriminator) if part}
        if len(sizes) > 1:
            raise ConfigError(
                f"generator, expert and discriminator are for different image sizes {sorted(sizes)}; "
                "give an expert of the generator's size with model.expert"
            )
        self._frozen = [expert.eval().requires_grad_(False)]  # in a list: no part of this module
        self.make_optimizer, self.make_schedule = optimizer, schedule
        self.make_discriminator_optimizer = discriminator_optimizer or optimizer
        self.loss_weights = dict(loss)
        if discriminator is None:
            self.loss_weights.pop("adversarial", None)
        self.sync_threshold, self.sync_ramp = sync_threshold, sync_ramp
        start = -1 if sync_threshold is not None else 0
        self.register_buffer("sync_start", torch.tensor(start))  # batch of the switch-on, -1: off
        self.augment, self.seed = augment, seed
        self.psnr = nn.ModuleDict({name: LowerHalfPSNR() for name in SYSTEMS})
        self.l1 = nn.ModuleDict({name: MeanMetric() for name in SYSTEMS})
        self.sync = nn.ModuleDict({name: MeanMetric() for name in SYSTEMS})

    @property
    def expert(self) -> nn.Module:
        return self._frozen[0]

    def setup(self, stage: str) -> None:
        self.expert.to(self.device, memory_format=torch.channels_last)

    def forward(self, mel: Tensor, target: Tensor, reference: Tensor) -> Tensor:
        """Paint windows: mel (B, 5, 1, 80, 16), pictures (B, 5, 3, H, W) -> (B, 5, 3, H, W)."""
        return self.generator(mel, generator_faces(target, reference))

    def sync_loss(self, faces: Tensor, sync_mel: Tensor) -> Tensor:
        """How little the expert believes these windows: faces (B, 5, 3, H, W), (B, 1, 80, 16)."""
        halves = expert_faces(lower_half(faces)).contiguous(memory_format=torch.channels_last)
        audio, face = self.expert(sync_mel, halves)
        return losses.cosine_bce(audio, face, torch.ones(len(audio), device=audio.device))

    @property
    def batches_done(self) -> int:
        """Training batches before this one; ``global_step`` counts optimiser steps instead."""
        steps = 1 if self.discriminator is None else 2
        return self.global_step // steps

    def weights(self) -> dict[str, float]:
        """The weights of the terms at this batch."""
        start, now = int(self.sync_start), self.batches_done
        if start < 0:
            factor = 0.0
        else:
            factor = min(1.0, (now - start + 1) / self.sync_ramp) if self.sync_ramp else 1.0
        return {**self.loss_weights, "sync": self.loss_weights.get("sync", 0.0) * factor}

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        target, reference, mel, sync_mel = self._prepare(batch)
        values: dict[str, Tensor] = {}
        fake = self(mel, target, reference)

        if self.discriminator is not None:
            values |= self._discriminator_step(target, fake.detach())

        terms = {
            "reconstruction": losses.reconstruction(fake, target),
            "lower": losses.lower_reconstruction(fake, target),
            "sync": self.sync_loss(fake, sync_mel),
        }
        optimizer = self._optimizers()[0]
        with self.toggled_optimizer(optimizer):
            if self.discriminator is not None:
                logits = self.discriminator.logits(fake.flatten(0, 1))
                terms["adversarial"] = losses.adversarial_bce(logits.float())
            loss = losses.weighted_sum(terms, self.weights())
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        for schedule in self._schedules():
            schedule.step()

        values |= {name: term.detach() for name, term in terms.items()}
        values |= {"loss": loss.detach(), "sync_weight": torch.tensor(self.weights()["sync"])}
        self.log_dict({f"train/{n}": v for n, v in values.items()}, batch_size=len(mel))

    def _prepare(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        target, reference = to_float(batch["target"]), to_float(batch["reference"])
        mel, sync_mel = batch["mel"], batch["sync_mel"]
        if self.augment is not None:
            rng = batch_rng(self.seed, self.batches_done)
            strength = self.augment.strength(self.batches_done)
            both = self.augment.faces(torch.cat([target, reference], dim=1), strength, rng)
            target, reference = both.chunk(2, dim=1)
            mels = torch.cat([mel, sync_mel[:, None]], dim=1)
            mel, sync_mel = self.augment.mel(mels, strength, rng).split([mel.shape[1], 1], dim=1)
            sync_mel = sync_mel[:, 0]
        return target, reference, mel, sync_mel

    def _discriminator_step(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        optimizer = self._optimizers()[1]
        with self.toggled_optimizer(optimizer):
            on_real = self.discriminator.logits(real.flatten(0, 1)).float()
            on_fake = self.discriminator.logits(fake.flatten(0, 1)).float()
            loss = losses.discriminator_bce(on_real, on_fake)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        right = ((on_real > 0).float().mean() + (on_fake < 0).float().mean()) / 2
        return {
            "discriminator": loss.detach(),
            "discriminator_accuracy": right,
            "logit_real": on_real.detach().mean(),
            "logit_fake": on_fake.detach().mean(),
        }

    def paint_systems(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The pictures of every system in :data:`SYSTEMS` for an evaluation batch, in [0, 1]."""
        target, reference = to_float(batch["target"]), to_float(batch["reference"])
        return {
            "generated": self(batch["mel"], target, reference).float(),
            "swapped_audio": self(batch["swapped_mel"], target, reference).float(),
            "copied_reference": reference,
            "real": target,
        }

    def _evaluate(self, batch: dict[str, Any]) -> None:
        pictures = self.paint_systems(batch)
        real, count = pictures["real"], len(pictures["real"])
        for name, faces in pictures.items():
            self.psnr[name].update(faces.flatten(0, 1), real.flatten(0, 1))
            self.l1[name].update(losses.lower_reconstruction(faces, real), count)
            self.sync[name].update(self.sync_loss(faces, batch["sync_mel"]), count)

    def _finish(self, stage: str) -> dict[str, float]:
        values: dict[str, float] = {}
        for name in SYSTEMS:
            for kind, metrics in (("psnr", self.psnr), ("l1", self.l1), ("sync", self.sync)):
                if (name, kind) != ("real", "psnr"):  # infinite
                    values[f"{stage}/{kind}_{name}"] = float(metrics[name].compute())
                metrics[name].reset()
        values[f"{stage}/listening_db"] = (
            values[f"{stage}/psnr_generated"] - values[f"{stage}/psnr_swapped_audio"]
        )
        # What sweeps minimise: both things that a generator is for, on their own scales.
        weight = self.loss_weights.get("sync", 0.0)
        values[f"{stage}/score"] = (
            values[f"{stage}/l1_generated"] + weight * values[f"{stage}/sync_generated"]
        )
        self.log_dict(values)
        return values

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        sync = self._finish("val")["val/sync_generated"]
        waiting = int(self.sync_start) < 0 and not self.trainer.sanity_checking
        if waiting and sync < self.sync_threshold:
            self.sync_start.fill_(self.batches_done)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self._evaluate(batch)

    def on_test_epoch_end(self) -> None:
        self._finish("test")

    def configure_optimizers(self) -> tuple[list[Any], list[Any]]:
        optimizers = [self.make_optimizer(self.generator.parameters())]
        if self.discriminator is not None:
            parameters = self.discriminator.parameters()
            optimizers.append(self.make_discriminator_optimizer(parameters))
        total = int(self.trainer.estimated_stepping_batches)
        return optimizers, [self.make_schedule(optimizer, total) for optimizer in optimizers]

    def _optimizers(self) -> Sequence[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _schedules(self) -> Sequence[Any]:
        schedules = self.lr_schedulers()
        return schedules if isinstance(schedules, list) else [schedules]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["lipsync"] = {
            "class": type(self.generator).__name__,
            "config": dict(self.generator.config),
            "prefix": "generator.",
        }
