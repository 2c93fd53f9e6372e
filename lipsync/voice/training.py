"""Training of a voice converter, CycleGAN-VC2 (Kaneko et al. 2019), on non-parallel speech."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from lipsync import losses
from lipsync.errors import ConfigError
from lipsync.training.base import Training, compute_and_reset
from lipsync.training.optim import parameter_groups
from lipsync.training.weights import architecture, start_from
from lipsync.voice.cepstrum import is_speech
from lipsync.voice.classifier import fit_gaussian, share_of_speaker
from lipsync.voice.data import VoiceSet

_SYSTEMS = ("converted", "statistics", "real")


class VoiceTraining(Training):
    """Trains two generators, one per direction, with a discriminator for each speaker.

    Validation reports the share of converted rows that a Gaussian classifier, fitted to the real
    training speech, assigns to the target; for comparison also that of converting only mean and
    variance, which is where the generators start, and that of the target's real speech.

    Args:
        generator: a :class:`~lipsync.voice.network.VoiceConverter`; its statistics are set from the
            data.
        discriminators: a :class:`lipsync.voice.network.VoiceDiscriminators`.
        discriminator_optimizer: factory of its optimiser; None uses ``optimizer`` for both.
        identity_batches: number of batches at the start that use the identity term.
        init_from: initial weights, as for :func:`lipsync.checkpoints.load_model`.
        options: of :class:`Training`; the terms of ``loss`` are ``cycle``, ``identity``
            and ``adversarial``.

    Raises:
        ConfigError: networks for different features.
        CheckpointError: weights of another network or size.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminators: nn.Module,
        *,
        discriminator_optimizer: Callable[..., Optimizer] | None = None,
        identity_batches: int = 1000,
        init_from: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        sizes = [net.config["coefficients"] for net in (generator, discriminators)]
        if sizes[0] != sizes[1]:
            raise ConfigError(f"generator and discriminators read {sizes} coefficients")
        if init_from is not None:
            start_from(generator, init_from, "generator")
        self.generator, self.discriminators = generator, discriminators
        self.make_discriminator_optimizer = discriminator_optimizer or self.make_optimizer
        self.identity_batches = identity_batches
        self.register_buffer("speaker_mean", torch.zeros(2, sizes[0], dtype=torch.float64))
        self.register_buffer("speaker_covariance", torch.eye(sizes[0]).double().repeat(2, 1, 1))
        self.as_target = nn.ModuleDict({system: MeanMetric() for system in _SYSTEMS})
        self.cycle = MeanMetric()

    def inputs(self, evaluation: bool = False) -> None:
        """None: voice training uses no images."""

    def setup(self, stage: str) -> None:
        """Compute the statistics of the data; a checkpoint then overrides them."""
        data = self.trainer.datamodule
        if stage == "fit":
            self.set_statistics(data.train)
        elif not self.speaker_mean.any():
            self.set_statistics(data.test if stage == "test" else data.val)

    def set_statistics(self, voices: VoiceSet) -> None:
        """Set the statistics of the generators and of the validation classifier."""
        self.generator.set_statistics(*voices.statistics())
        for speaker, rows in enumerate(voices.speech()):
            mean, covariance = fit_gaussian(torch.from_numpy(rows))
            self.speaker_mean[speaker].copy_(mean)
            self.speaker_covariance[speaker].copy_(covariance)

    def weights(self) -> dict[str, float]:
        """The weights of the loss terms at this batch."""
        weights = dict(self.loss_weights)
        if self.batches_done >= self.identity_batches:
            weights["identity"] = 0.0
        return weights

    def normalise_batch(self, batch: dict[str, Any]) -> list[Tensor]:
        """The cepstra of both speakers, normalised."""
        return [self.generator.normalise(batch[name], i) for i, name in enumerate("ab")]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        real, weights = self.normalise_batch(batch), self.weights()
        generate, logits = self.generator.generate, self.discriminators
        optimizer, other = self.all_optimizers()
        fake = [generate(real[1 - i], i) for i in range(2)]  # as speaker i
        cycled = [generate(fake[1 - i], i) for i in range(2)]  # as speaker i again

        with self.toggled_optimizer(other):
            pairs = [(logits(real[i], i), logits(fake[i].detach(), i)) for i in range(2)]
            loss_d = torch.stack([losses.discriminator_square(*pair) for pair in pairs]).mean()
            self.descend(other, loss_d, batch)
        right = [((r > 0.5).float().mean() + (f <= 0.5).float().mean()) / 2 for r, f in pairs]

        with self.toggled_optimizer(optimizer):
            terms = {"cycle": _mean(F.l1_loss(cycled[i], real[i]) for i in range(2))}
            if weights.get("identity"):
                terms["identity"] = _mean(
                    F.l1_loss(generate(real[i], i), real[i]) for i in range(2)
                )
            terms["adversarial"] = _mean(
                losses.adversarial_square(logits(fake[i], i)) for i in range(2)
            )
            loss = losses.weighted_sum(terms, weights)
            self.descend(optimizer, loss, batch)
        self.step_schedules()
        values = {"discriminator": loss_d, "discriminator_accuracy": torch.stack(right).mean()}
        change = _mean(F.l1_loss(fake[i], real[1 - i]) for i in range(2))
        self.log_training({**values, **terms, "change": change, "loss": loss}, len(fake[0]))

    def evaluate(self, batch: dict[str, Any]) -> None:
        real = self.normalise_batch(batch)
        speech = [_speech_mask(batch[name]) for name in "ab"]
        for target in range(2):
            source = real[1 - target]
            converted = self.generator.generate(source, target)
            back = self.generator.generate(converted, 1 - target)
            self.cycle.update(F.l1_loss(back, source))
            systems = {"converted": converted, "statistics": source, "real": real[target]}
            for system, features in systems.items():
                which = speech[target if system == "real" else 1 - target]
                rows = _rows(self.generator.restore(features, target))[which]
                share = share_of_speaker(rows, self.speaker_mean, self.speaker_covariance, target)
                self.as_target[system].update(share.float())

    def finish(self, stage: str) -> dict[str, float]:
        """Also ``<stage>/score``, which sweeps minimise."""
        values = {
            f"{stage}/as_target_{system}": compute_and_reset(m)
            for system, m in self.as_target.items()
        }
        values[f"{stage}/cycle"] = compute_and_reset(self.cycle)
        missed = 1 - values[f"{stage}/as_target_converted"]
        values[f"{stage}/score"] = missed + values[f"{stage}/cycle"]
        return values

    def make_optimizers(self) -> list[Optimizer]:
        return [
            self.make_optimizer(parameter_groups(self.generator)),
            self.make_discriminator_optimizer(parameter_groups(self.discriminators)),
        ]

    def about(self) -> dict[str, Any]:
        about = architecture(self.generator, "generator.")
        about["discriminator"] = architecture(self.discriminators, "discriminators.")
        return about


def _mean(values: Any) -> Tensor:
    return torch.stack(list(values)).mean()


def _rows(features: Tensor) -> Tensor:
    """(B, coefficients, T) -> (B * T, coefficients)."""
    return features.float().transpose(1, 2).flatten(0, 1)


def _speech_mask(cepstra: Tensor) -> Tensor:
    """bool (B * T,): which rows of a clip are speech."""
    return torch.from_numpy(is_speech(_rows(cepstra).cpu().numpy())).to(cepstra.device)
