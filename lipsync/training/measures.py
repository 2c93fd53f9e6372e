"""Validation metrics of a generator: small modules listed in YAML under ``model.metrics``.

Each is computed for all :data:`SYSTEMS`, which put its values in context: generated frames, frames
generated with another clip's audio, the unchanged reference, and the true frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, PearsonCorrCoef

from lipsync import losses
from lipsync.data.inputs import Span
from lipsync.errors import ConfigError
from lipsync.features import feature_of
from lipsync.metrics import LowerHalfPSNR, OffSyncAccuracy
from lipsync.metrics.leakage import window_motion
from lipsync.metrics.quality import edge_energy
from lipsync.training.base import compute_and_reset
from lipsync.training.batches import generator_faces
from lipsync.training.frozen import Frozen
from lipsync.training.step import Step
from lipsync.training.terms import SyncAdversarial, Term
from lipsync.training.terms.sync import check_expert, window_span

SYSTEMS = ("generated", "swapped_audio", "copied_reference", "real")


class Measure(nn.Module, ABC):
    """A validation metric: takes a step of each system, and returns named numbers.

    Attributes:
        active: False if something it needs is missing; it is then skipped.
    """

    active = True

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        """Called once with the name it is listed under, and the networks and terms of the training.

        The networks are those passed to :meth:`.terms.Term.attach`, and ``judge``, its path or
        name.

        Raises:
            ConfigError: the networks do not fit.
        """

    def span(self) -> Span | None:
        """Request for the audio of whole windows, given in ``step.spans`` under its name."""
        return None

    @abstractmethod
    def update(self, steps: Mapping[str, Step]) -> None:
        """Add a batch: one step per system, which differ only in ``fake``."""

    @abstractmethod
    def compute(self, validating: bool) -> dict[str, float]:
        """Compute and reset; names do not include the stage.

        Args:
            validating: on the validation set, where thresholds are chosen.
        """


class PerSystem(Measure):
    """Mean of :meth:`value` for each system, named ``<name>_<system>``."""

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        self.name = name
        self.means = nn.ModuleDict({system: MeanMetric() for system in SYSTEMS})

    @abstractmethod
    def value(self, step: Step) -> Tensor:
        """One value for a batch, or one per window."""

    def update(self, steps: Mapping[str, Step]) -> None:
        for system, step in steps.items():
            value = self.value(step).float().mean()
            self.means[system].update(value, len(step.fake))

    def compute(self, validating: bool) -> dict[str, float]:
        return {f"{self.name}_{s}": compute_and_reset(mean) for s, mean in self.means.items()}


class L1(PerSystem):
    """Mean absolute error on the lower half."""

    def value(self, step: Step) -> Tensor:
        return losses.lower_reconstruction(step.fake, step.target)


class PSNR(Measure):
    """PSNR of the lower half in dB, and audio sensitivity: its loss with another clip's audio."""

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        self.name = name
        others = (system for system in SYSTEMS if system != "real")  # infinite
        self.found = nn.ModuleDict({system: LowerHalfPSNR() for system in others})

    def update(self, steps: Mapping[str, Step]) -> None:
        for system, metric in self.found.items():
            step = steps[system]
            metric.update(step.fake.flatten(0, 1), step.target.flatten(0, 1))

    def compute(self, validating: bool) -> dict[str, float]:
        values = {f"{self.name}_{s}": compute_and_reset(metric) for s, metric in self.found.items()}
        sensitivity = values[f"{self.name}_generated"] - values[f"{self.name}_swapped_audio"]
        return values | {"audio_sensitivity_db": sensitivity}


class TermValue(PerSystem):
    """Value of a loss term, such as the sync loss of the training's own expert.

    Args:
        term: its name under ``model.loss``; inactive if the term has no weight.
    """

    def __init__(self, term: str) -> None:
        super().__init__()
        self.of = term

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        super().attach(name, networks, terms)
        self.__dict__["term"] = terms.get(self.of)  # not a submodule
        self.active = self.of in terms

    def value(self, step: Step) -> Tensor:
        return self.term(step)


class JudgeDistance(PerSystem):
    """Distance between face and audio embeddings of a judge that is not part of the loss.

    Args:
        judge: an expert with the generator's framing and any size, or its path or name; None uses
            ``model.judge``, and is inactive if that is not set.

    Raises:
        CheckpointError: a judge that cannot be loaded.
    """

    def __init__(self, judge: nn.Module | str | Path | None = None) -> None:
        super().__init__()
        self.judge = None if judge is None else Frozen(judge)

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        super().attach(name, networks, terms)
        if self.judge is None and networks.get("judge") is not None:
            self.judge = Frozen(networks["judge"])
        self.active = self.judge is not None
        if not self.active:
            return
        check_expert("model.judge", self.judge.network)
        used, expected = (
            networks["generator"].config["framing"],
            self.judge.network.config["framing"],
        )
        if used != expected:
            raise ConfigError(
                f"model.judge expects framing '{expected}', the generator uses '{used}'; choose a "
                "judge with that framing, or set model.judge=null to do without"
            )
        for term_name, term in terms.items():
            if self.judge.sha256 in term.hashes():
                raise ConfigError(
                    f"model.judge is the network of model.loss.{term_name}, and a network in the "
                    "loss cannot be the judge; choose another, or set model.judge=null"
                )

    def span(self) -> Span | None:
        return window_span(self.judge.network) if self.active else None

    def value(self, step: Step) -> Tensor:
        judge = self.judge.network
        size, window = judge.config["image_size"], judge.config["window"]
        faces = step.fake[:, :window]
        if faces.shape[-1] != size:
            pictures = faces.flatten(0, 1)
            pictures = F.interpolate(pictures, (size, size), mode="bilinear", antialias=True)
            faces = pictures.unflatten(0, faces.shape[:2])
        audio, face = judge(step.spans[self.name], judge.see(faces))
        return torch.linalg.vector_norm(audio.float() - face.float(), dim=-1)


class Sharpness(PerSystem):
    """Edge energy at the mouth, see :func:`lipsync.metrics.quality.edge_energy`."""

    def value(self, step: Step) -> Tensor:
        return edge_energy(step.fake.flatten(0, 1))


class SilentMotion(Measure):
    """Leakage of the target's mouth: motion generated from silence, relative to the target's.

    The generator runs once more with all audio set to the feature's ``silence``.
    ``silent_motion_generated`` is 0 if the mouth stays at rest. Motion is defined by
    :func:`lipsync.metrics.leakage.window_motion`.
    """

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        self.__dict__["generator"] = networks["generator"]  # no part of this module
        self.silence = feature_of(self.generator).silence
        self.means = nn.ModuleDict({kind: MeanMetric() for kind in ("generated", "real")})

    def update(self, steps: Mapping[str, Step]) -> None:
        step = steps["real"]
        faces = generator_faces(self.generator, step.target, step.reference)
        silent = self.generator(torch.full_like(step.sound, self.silence), faces)
        for kind, pictures in (("generated", silent), ("real", step.target)):
            self.means[kind].update(window_motion(pictures))

    def compute(self, validating: bool) -> dict[str, float]:
        generated, real = (compute_and_reset(self.means[kind]) for kind in ("generated", "real"))
        return {"silent_motion_generated": generated / real} if real > 0 else {}


class TrueCode(Measure):
    """Metrics of a lips code: PSNR of faces generated from true codes, and correlation with audio.

    ``psnr_true_code`` is in dB on the lower half; ``code_correlation`` is Pearson's r between codes
    predicted from audio and true codes, averaged over dimensions.
    """

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        self.__dict__["generator"] = networks["generator"]  # no part of this module
        self.psnr = LowerHalfPSNR()
        self.correlation = PearsonCorrCoef(self.generator.config["numbers"])

    def update(self, steps: Mapping[str, Step]) -> None:
        step = steps["real"]
        target, sound = step.target.flatten(0, 1), step.sound.flatten(0, 1)
        code = self.generator.code_of_faces(target)
        faces = generator_faces(self.generator, step.target, step.reference).flatten(0, 1)
        self.psnr.update(self.generator.edit(code, faces), target)
        self.correlation.update(self.generator.code_of_sound(sound).float(), code.float())

    def compute(self, validating: bool) -> dict[str, float]:
        correlation = float(self.correlation.compute().mean())
        self.correlation.reset()
        return {"psnr_true_code": compute_and_reset(self.psnr), "code_correlation": correlation}


class DiscriminatorAccuracy(Measure):
    """AUC and accuracy of LipGAN's discriminator on true against shifted audio of real faces.

    The distance threshold is chosen on the validation set.
    """

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        found = [term for term in terms.values() if isinstance(term, SyncAdversarial)]
        self.__dict__["term"] = found[0] if found else None
        self.active = bool(found)
        self.register_buffer("threshold", torch.tensor(found[0].margin / 2 if found else 0.0))
        self.answers = OffSyncAccuracy()

    def update(self, steps: Mapping[str, Step]) -> None:
        real = steps["real"]
        own, shifted = (
            self.term.distance(sound, real.target) for sound in (real.sound, real.shifted)
        )
        self.answers.update(-own, -shifted)  # scores: higher means more in sync

    def compute(self, validating: bool) -> dict[str, float]:
        self.answers.threshold = None if validating else -float(self.threshold)
        found = {name: float(value) for name, value in self.answers.compute().items()}
        self.answers.reset()
        if validating:
            self.threshold.fill_(-found["threshold"])
        return {f"discriminator_{name}": found[name] for name in ("auc", "accuracy")}


def selection_score(values: Mapping[str, float]) -> float:
    """Score by which checkpoints are selected, and which sweeps minimise; 0 for real video.

    The sum of three parts that are independent of the loss: the L1 error of the lower half,
    relative to that of the copied reference; the judge's distance in excess of that of real video,
    relative to the excess of the copied reference; and the absolute log ratio of the mouth's
    sharpness to that of real video. Metrics that were not computed count 0, as does a judge that
    does not separate the copied reference from real video.
    """

    def excess(name: str) -> tuple[float, float]:
        real = values[f"{name}_real"]
        return values[f"{name}_generated"] - real, values[f"{name}_copied_reference"] - real

    score = 0.0
    if "l1_generated" in values:
        generated, copied = excess("l1")
        score += generated / max(copied, 1e-6)
    if "judge_generated" in values:
        generated, copied = excess("judge")
        if copied > 0.01 * values["judge_real"]:
            score += generated / copied
    if "sharpness_generated" in values:
        ratio = values["sharpness_generated"] / max(values["sharpness_real"], 1e-12)
        score += abs(torch.tensor(max(ratio, 1e-6)).log().item()) / 2  # energy is squared amplitude
    return score
