"""Training of a face generator: Wav2Lip or LipGAN, with or without a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lipsync import losses
from lipsync.checkpoints.origin import merge_origins
from lipsync.data.clips import Clip
from lipsync.data.inputs import Inputs
from lipsync.errors import ConfigError
from lipsync.features import feature_of
from lipsync.models import FaceGenerator
from lipsync.models.base import check_network
from lipsync.training.base import Training
from lipsync.training.batches import generator_faces, to_float
from lipsync.training.measures import SYSTEMS, Measure, selection_score
from lipsync.training.optim import parameter_groups
from lipsync.training.step import Step
from lipsync.training.terms import Term, weighted_terms
from lipsync.training.terms.adversarial import AdversarialTerm
from lipsync.training.weights import architecture, start_from

_CHUNK = 25  # batch size in frames when generating a clip
_SEEN_AND_HEARD = ("image_size", "framing", "feature")


class GeneratorTraining(Training):
    """Train a generator to inpaint the lower half of a face so that it speaks the given audio.

    The loss is the weighted sum of its terms. A single generator forward serves both the
    discriminator's and the generator's step.

    Args:
        generator: a :class:`lipsync.models.FaceGenerator`.
        loss: name -> weight, or a term with a weight; see :func:`.terms.weighted_terms`.
        terms: name -> :class:`.terms.Term`, for the weights in ``loss``.
        discriminator: None trains without one, and drops adversarial terms.
        discriminator_optimizer: factory of its optimiser; None uses ``optimizer`` for both.
        metrics: name -> :class:`.measures.Measure`, computed in validation.
        expert: a lip-sync expert, or its path or name: the default for terms that need one.
        judge: the same for metrics; it is not part of the loss, and its distance counts in the
            score by which checkpoints are selected.
        frames: minimum frames per window; longer where a term or metric needs more.
        init_from, discriminator_init_from: initial weights, as for
            :func:`lipsync.checkpoints.load_model`; None trains from scratch.
        options: see :class:`Training`.

    Raises:
        ConfigError: invalid terms, or networks with different face sizes or framings.
        CheckpointError: weights of another network, or of other sizes.
    """

    def __init__(
        self,
        generator: nn.Module,
        loss: Mapping[str, Any],
        *,
        terms: Mapping[str, Term] | None = None,
        discriminator: nn.Module | None = None,
        discriminator_optimizer: Callable[..., Optimizer] | None = None,
        metrics: Mapping[str, Measure] | None = None,
        expert: nn.Module | str | Path | None = None,
        judge: nn.Module | str | Path | None = None,
        frames: int = 5,
        init_from: str | Path | None = None,
        discriminator_init_from: str | Path | None = None,
        **options: Any,
    ) -> None:
        check_network("model.generator", generator, FaceGenerator, _SEEN_AND_HEARD)
        adversarial = [n for n, t in (terms or {}).items() if isinstance(t, AdversarialTerm)]
        missing = tuple(adversarial) if discriminator is None else ()
        used, weights = weighted_terms(loss, terms, missing)
        super().__init__(loss=weights, **options)
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator
        networks: dict[str, Any] = {"generator": generator, "expert": expert, "judge": judge}
        if discriminator is not None:
            networks["discriminator"] = discriminator.to(memory_format=torch.channels_last)
        self.terms, self.frames = used, frames
        for name, term in used.items():
            term.attach(name, networks)
        self.opponents = [t for t in used.values() if isinstance(t, AdversarialTerm)]
        self.metrics = nn.ModuleDict({n: m for n, m in (metrics or {}).items() if m is not None})
        for name, measure in self.metrics.items():
            if not isinstance(measure, Measure):
                kind = type(measure).__name__
                raise ConfigError(f"model.metrics.{name}: {kind} is not a Measure")
            measure.attach(name, networks, dict(used.items()))
        self.measures = [measure for measure in self.metrics.values() if measure.active]
        self.check_augmentation(self.features())
        self.trained_with: dict[str, list[str]] | None = {}  # of the initial weights
        if init_from is not None:
            self.trained_with = start_from(generator, init_from, "generator")
        if discriminator is not None and discriminator_init_from is not None:
            start_from(discriminator, discriminator_init_from, "discriminator")
        self.make_discriminator_optimizer = discriminator_optimizer or self.make_optimizer

    def features(self) -> list[Any]:
        """Audio features used in training."""
        spans = (term.span() for term in self.terms.values())
        return [feature_of(self.generator), *(span.feature for span in spans if span is not None)]

    def inputs(self, evaluation: bool = False) -> Inputs:
        """Contents of a sample."""
        consumers = [*self.terms.items(), *(self.metrics.items() if evaluation else ())]
        spans = {name: span for name, part in consumers if (span := part.span()) is not None}
        config = self.generator.config
        return Inputs(
            image_size=config["image_size"],
            framing=config["framing"],
            frames=self.frames,
            sound=feature_of(self.generator),
            spans=spans,
            references=self.generator.references,
            shifted=max((term.shifted for term in self.opponents), default=0),
        )

    def forward(self, sound: Tensor, target: Tensor, reference: Tensor) -> Tensor:
        """Generate from sound (N, T, ...), target (N, T, 3, S, S), reference (N, R, 3, S, S)."""
        return self.generator(sound, generator_faces(self.generator, target, reference))

    def prepare(self, batch: dict[str, Any]) -> Step:
        """Turn a batch into a step with float images, augmented in training; nothing generated."""
        clips = len(batch["faces"])
        target, reference = to_float(batch["faces"]), to_float(batch["reference"])
        sounds = {n: batch[n] for n in ("sound", "shifted_sound") if n in batch}
        spans = {n.removeprefix("sound_"): v for n, v in batch.items() if n.startswith("sound_")}
        if self.training and self.augment is not None:
            counts = target.shape[2], reference.shape[2]
            both, rng = torch.cat([target, reference], dim=2), self.augment_rng()
            changed = self.augment.faces(both.flatten(1, 2), self.batches_done, rng)
            target, reference = changed.view_as(both).split(counts, dim=2)
            sounds, spans = self._augment_audio(sounds, spans, clips, rng)
        pictures = target.flatten(0, 1)
        return Step(
            batch=self.batches_done,
            target=pictures,
            reference=reference.flatten(0, 1),
            fake=pictures,
            sound=sounds["sound"].flatten(0, 1),
            spans={name: value.flatten(0, 1) for name, value in spans.items()},
            shifted=sounds["shifted_sound"].flatten(0, 1) if "shifted_sound" in sounds else None,
        )

    def generate(self, step: Step) -> Step:
        """A training step, with the generator's output."""
        return replace(step, fake=self(step.sound, step.target, step.reference))

    def _augment_audio(
        self,
        sounds: dict[str, Tensor],
        spans: dict[str, Tensor],
        clips: int,
        rng: torch.Generator,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Augment audio, alike for all networks that use the same feature."""
        change = self.augment.sounds(clips, self.batches_done, rng)
        own = feature_of(self.generator)
        return {n: change(own, v) for n, v in sounds.items()}, {
            n: change(self.terms[n].span().feature, v) for n, v in spans.items()
        }

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        step = self.prepare(batch)
        if step.target.shape[:2].numel() == 1:
            raise ConfigError(
                "a batch of a single frame: its norms need two; raise data.batch_size, "
                "data.train.windows or model.frames"
            )
        step = self.generate(step)
        optimizer, *others = self.all_optimizers()
        values: dict[str, Tensor] = {}
        fake = step.fake

        for other in others if self.opponents else ():
            with self.toggled_optimizer(other):
                detached = replace(step, fake=fake.detach())
                found = [opponent.discriminator_loss(detached) for opponent in self.opponents]
                loss = torch.stack([each for each, _ in found]).sum()
                self.descend(other, loss, batch)
            values = {n: v for _, logged in found for n, v in logged.items()} | {
                "discriminator": loss
            }

        with self.toggled_optimizer(optimizer):
            weights = self.weights(step.batch)
            terms = self.term_values(step, weights)
            loss = losses.weighted_sum(terms, weights)
            if not loss.requires_grad:  # all weights are currently 0
                loss = loss + 0.0 * fake.mean()
            self.descend(optimizer, loss, batch)
        self.step_schedules()
        factors = {f"{n}_weight": torch.tensor(weights[n]) for n in weights if n in self.scheduled}
        self.log_training({**values, **terms, **factors, "loss": loss}, len(fake))

    @property
    def scheduled(self) -> list[str]:
        """Names of terms with their own weight schedule."""
        return [n for n, term in self.terms.items() if type(term).factor is not Term.factor]

    def weights(self, batch: int) -> dict[str, float]:
        """Weights of the terms at a batch."""
        return {n: w * self.terms[n].factor(batch) for n, w in self.loss_weights.items()}

    def term_values(self, step: Step, weights: Mapping[str, float]) -> dict[str, Tensor]:
        """Unweighted value of every term; those with weight 0 are computed without gradients."""
        found = {}
        for name, term in self.terms.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and weights[name] > 0):
                found[name] = term(step)
        return found

    def paint_systems(self, batch: dict[str, Any]) -> dict[str, Step]:
        """Steps of all systems in :data:`.measures.SYSTEMS` for an evaluation batch."""
        step = self.prepare(batch)
        swapped = batch["swapped_sound"].flatten(0, 1)
        fakes = {
            "generated": self(step.sound, step.target, step.reference).float(),
            "swapped_audio": self(swapped, step.target, step.reference).float(),
            "copied_reference": step.reference[:, :1].expand_as(step.target),
            "real": step.target,
        }
        return {system: replace(step, fake=fakes[system]) for system in SYSTEMS}

    @torch.no_grad()
    def paint_clip(self, clip: Clip, frames: int) -> Tensor:
        """Generate the first frames of a clip: (frames, 3, S, S) in [0, 1].

        The references are evenly spaced frames among them, the same for every frame.
        """
        target = to_float(torch.from_numpy(clip.read(range(frames))).to(self.device))
        count = self.generator.references
        reference = target[[(2 * i + 1) * frames // (2 * count) for i in range(count)]]
        feature = feature_of(self.generator)
        windows = feature.cut(clip.feature(feature), np.arange(frames))
        sound = torch.from_numpy(windows).to(self.device)
        parts = zip(sound.split(_CHUNK), target.split(_CHUNK), strict=True)
        outputs = [self(*(x[None] for x in (*part, reference)))[0].float() for part in parts]
        return torch.cat(outputs)

    def evaluate(self, batch: dict[str, Any]) -> None:
        steps = self.paint_systems(batch)
        for measure in self.measures:
            measure.update(steps)

    def finish(self, stage: str) -> dict[str, float]:
        """Adds ``<stage>/score``, by which checkpoints are selected and which sweeps minimise."""
        values: dict[str, float] = {}
        for measure in self.measures:
            values |= measure.compute(stage == "val")
        values["score"] = selection_score(values)
        if stage == "val" and not self.trainer.sanity_checking:
            for name, term in self.terms.items():
                if (found := values.get(f"{name}_generated")) is not None:
                    term.validated(found, self.batches_done)
        return {f"{stage}/{name}": value for name, value in values.items()}

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
        own = {n: term.hashes() for n, term in self.terms.items() if term.hashes()}
        frozen = merge_origins(own, self.trained_with)
        return about if frozen is None else {**about, "frozen": frozen}
