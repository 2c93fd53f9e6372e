"""Training of Wav2Lip: reconstruction + sync + adversarial, with or without the discriminator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from lipsync import losses
from lipsync.checkpoints import fingerprint, load_model
from lipsync.data.store import Clip
from lipsync.errors import ConfigError
from lipsync.training.adversarial import SYSTEMS, AdversarialTraining, check_image_sizes
from lipsync.training.batches import expert_faces, to_float
from lipsync.windows import frame_mels, lower_half

ADVERSARIAL = {
    "bce": (losses.discriminator_bce, losses.adversarial_bce),
    "hinge": (losses.discriminator_hinge, losses.adversarial_hinge),
}
_SYNC_IN_SCORE = 0.03


class GeneratorTraining(AdversarialTraining):
    """Teaches a generator to paint the lower half of a face so that it speaks the given sound.

    Args:
        generator: a :class:`lipsync.models.Wav2Lip`.
        expert: a trained :class:`lipsync.models.SyncNet`, or what :func:`load_model` takes: a path
            or the name of a bundled expert. It is kept frozen and out of the checkpoints.
        sync_threshold: the sync weight is 0 until the validation sync loss is below this; None
            switches it on at batch ``sync_from``.
        sync_from: that batch.
        sync_ramp: batches over which the sync weight then grows to its full value.
        adversarial: form of the adversarial losses on logits: ``bce``, as published, or ``hinge``.
        r1: weight of the penalty on the discriminator's gradient at real pictures; 0 leaves it out.
        options: of :class:`AdversarialTraining`; the terms of ``loss`` are ``reconstruction``,
            ``lower``, ``structure`` (computed where it has a weight), ``sync`` and
            ``adversarial``, a ``discriminator`` is a :class:`lipsync.models.QualityDiscriminator`.
    """

    sound = "mel"

    def __init__(
        self,
        generator: nn.Module,
        expert: nn.Module | str | Path,
        *,
        sync_threshold: float | None = 0.75,
        sync_from: int = 0,
        sync_ramp: int = 0,
        adversarial: str = "bce",
        r1: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(generator, **options)
        if not isinstance(expert, nn.Module):
            expert = load_model(expert)
        check_image_sizes(
            "give an expert of the generator's size with model.expert",
            generator=generator,
            expert=expert,
            discriminator=self.discriminator,
        )
        self._frozen = [expert.eval().requires_grad_(False)]  # in a list: no part of this module
        if adversarial not in ADVERSARIAL:
            names = ", ".join(ADVERSARIAL)
            raise ConfigError(f"model.adversarial={adversarial}: must be one of {names}")
        self.discriminator_term, self.adversarial_term = ADVERSARIAL[adversarial]
        self.r1 = r1
        self.expert_fingerprint = fingerprint(expert)
        self.sync_threshold, self.sync_ramp = sync_threshold, sync_ramp
        start = -1 if sync_threshold is not None else sync_from
        self.register_buffer("sync_start", torch.tensor(start))  # batch of the switch-on, -1: off
        self.sync = nn.ModuleDict({name: MeanMetric() for name in SYSTEMS})

    @property
    def expert(self) -> nn.Module:
        return self._frozen[0]

    def about(self) -> dict[str, Any]:
        return {**super().about(), "expert_sha256": self.expert_fingerprint}

    def setup(self, stage: str) -> None:
        self.expert.to(self.device, memory_format=torch.channels_last)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if self.sync_threshold is None:  # the batch is given, whatever the run waited for before
            checkpoint["state_dict"]["sync_start"] = self.sync_start.clone()

    def sync_loss(self, faces: Tensor, sync_mel: Tensor) -> Tensor:
        """How little the expert believes these windows: faces (B, 5, 3, H, W), (B, 1, 80, 16)."""
        halves = expert_faces(lower_half(faces)).contiguous(memory_format=torch.channels_last)
        audio, face = self.expert(sync_mel, halves)
        return losses.cosine_bce(audio, face, torch.ones(len(audio), device=audio.device))

    def weights(self) -> dict[str, float]:
        start, now = int(self.sync_start), self.batches_done
        if start < 0 or now < start:
            factor = 0.0
        else:
            factor = min(1.0, (now - start + 1) / self.sync_ramp) if self.sync_ramp else 1.0
        return {**self.loss_weights, "sync": self.loss_weights.get("sync", 0.0) * factor}

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        target, reference = to_float(batch["target"]), to_float(batch["reference"])
        mel, sync_mel = batch["mel"], batch["sync_mel"]
        if self.augment is not None:
            rng, strength = self.augment_rng(), self.augment.strength(self.batches_done)
            target, reference = self.augment.pair(target, reference, strength, rng)
            mels = torch.cat([mel, sync_mel[:, None]], dim=1)
            mel, sync_mel = self.augment.mel(mels, strength, rng).split([mel.shape[1], 1], dim=1)
            sync_mel = sync_mel[:, 0]
        return {"target": target, "reference": reference, "mel": mel, "sync_mel": sync_mel}

    def clip_sound(self, clip: Clip, frames: int) -> np.ndarray:
        return frame_mels(clip.mel, np.arange(frames), self.generator.config["mel_lead"])

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.log("train/sync_weight", self.weights()["sync"])
        super().training_step(batch, batch_idx)

    def discriminator_loss(
        self, inputs: dict[str, Any], fake: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        real, fake = inputs["target"].flatten(0, 1), fake.flatten(0, 1)
        on_real = self.discriminator.logits(real).float()
        on_fake = self.discriminator.logits(fake).float()
        loss = self.discriminator_term(on_real, on_fake)
        right = ((on_real > 0).float().mean() + (on_fake < 0).float().mean()) / 2
        values = {
            "discriminator_accuracy": right,
            "logit_real": on_real.mean(),
            "logit_fake": on_fake.mean(),
        }
        if self.r1:
            eager = torch.compiler.set_stance("force_eager")  # for a gradient of a gradient
            with eager, torch.autocast(self.device.type, enabled=False):
                real = real.float().requires_grad_()
                values["r1"] = losses.r1_penalty(self.discriminator.logits(real), real)
            loss = loss + self.r1 * values["r1"]
        return loss, values

    def terms(self, inputs: dict[str, Any], fake: Tensor) -> dict[str, Tensor]:
        terms = {
            "reconstruction": losses.reconstruction(fake, inputs["target"]),
            "lower": losses.lower_reconstruction(fake, inputs["target"]),
            "sync": self.sync_loss(fake, inputs["sync_mel"]),
        }
        if self.discriminator is not None:
            logits = self.discriminator.logits(fake.flatten(0, 1))
            terms["adversarial"] = self.adversarial_term(logits.float())
        if self.loss_weights.get("structure"):
            terms["structure"] = losses.structure(fake, inputs["target"])
        return terms

    def evaluate(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        pictures = super().evaluate(batch)
        for name, faces in pictures.items():
            self.sync[name].update(self.sync_loss(faces, batch["sync_mel"]), len(faces))
        return pictures

    def finish(self, stage: str) -> dict[str, float]:
        values = super().finish(stage)
        for name in SYSTEMS:
            values[f"{stage}/sync_{name}"] = float(self.sync[name].compute())
            self.sync[name].reset()
        # Both things that a generator is for; the same sum whatever the objective's weights.
        values[f"{stage}/score"] += _SYNC_IN_SCORE * values[f"{stage}/sync_generated"]
        waiting = stage == "val" and int(self.sync_start) < 0 and not self.trainer.sanity_checking
        if waiting and values["val/sync_generated"] < self.sync_threshold:
            self.sync_start.fill_(self.batches_done)
        return values
