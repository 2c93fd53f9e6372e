"""What a validation measures of a generator: small modules listed in YAML under ``model.metrics``.

Every measure is told what each of the :data:`SYSTEMS` painted, so that no number stands alone: the
generator's own pictures, its pictures for another clip's sound, the reference pasted in unchanged,
and the true frames.
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
from lipsync.training.base import taken
from lipsync.training.batches import generator_faces
from lipsync.training.frozen import Frozen
from lipsync.training.step import Step
from lipsync.training.terms import SyncAdversarial, Term
from lipsync.training.terms.sync import check_expert, window_span

SYSTEMS = ("generated", "swapped_audio", "copied_reference", "real")


class Measure(nn.Module, ABC):
    """One measure: a step of each system in, named numbers out.

    Attributes:
        active: whether it measures; one that lacks what it needs is not asked.
    """

    active = True

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        """Told once under which name it is listed, and beside which networks and terms.

        The networks are those that terms are told of, and ``judge``, its path or name.

        Raises:
            ConfigError: they do not fit.
        """

    def span(self) -> Span | None:
        """Sound of whole windows that it hears, in ``step.spans`` under the measure's name."""
        return None

    @abstractmethod
    def update(self, steps: Mapping[str, Step]) -> None:
        """Add a batch: a step of every system, alike but for ``fake``."""

    @abstractmethod
    def compute(self, validating: bool) -> dict[str, float]:
        """The numbers, without their stage; what was added is forgotten.

        Args:
            validating: on the validation set, where thresholds are fixed.
        """


class PerSystem(Measure):
    """A measure that is a mean over pictures, ``<name>_<system>``; subclasses write ``value``."""

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        self.name = name
        self.means = nn.ModuleDict({system: MeanMetric() for system in SYSTEMS})

    @abstractmethod
    def value(self, step: Step) -> Tensor:
        """One number for a batch, or one for each of its windows."""

    def update(self, steps: Mapping[str, Step]) -> None:
        for system, step in steps.items():
            value = self.value(step).float().mean()
            self.means[system].update(value, len(step.fake))

    def compute(self, validating: bool) -> dict[str, float]:
        return {f"{self.name}_{s}": taken(mean) for s, mean in self.means.items()}


class L1(PerSystem):
    """Mean absolute difference of the lower halves."""

    def value(self, step: Step) -> Tensor:
        return losses.lower_reconstruction(step.fake, step.target)


class PSNR(Measure):
    """PSNR of the lower halves in dB, and audio sensitivity: what other sound takes off it."""

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        self.name = name
        others = (system for system in SYSTEMS if system != "real")  # infinite
        self.found = nn.ModuleDict({system: LowerHalfPSNR() for system in others})

    def update(self, steps: Mapping[str, Step]) -> None:
        for system, metric in self.found.items():
            step = steps[system]
            metric.update(step.fake.flatten(0, 1), step.target.flatten(0, 1))

    def compute(self, validating: bool) -> dict[str, float]:
        values = {f"{self.name}_{s}": taken(metric) for s, metric in self.found.items()}
        sensitivity = values[f"{self.name}_generated"] - values[f"{self.name}_swapped_audio"]
        return values | {"audio_sensitivity_db": sensitivity}


class TermValue(PerSystem):
    """What a term of the objective comes to, such as the sync loss by the training's own expert.

    Args:
        term: its name under ``model.loss``; where that term has no weight nothing is measured.
    """

    def __init__(self, term: str) -> None:
        super().__init__()
        self.of = term

    def attach(self, name: str, networks: Mapping[str, Any], terms: Mapping[str, Term]) -> None:
        super().attach(name, networks, terms)
        self.__dict__["term"] = terms.get(self.of)  # no part of this module
        self.active = self.of in terms

    def value(self, step: Step) -> Tensor:
        return self.term(step)


class JudgeDistance(PerSystem):
    """Distance of faces and sound by a judge that is no part of the objective.

    Args:
        judge: an expert of the generator's framing, of any size, or its path or name; None takes
            the training's, and where that has none measures nothing.

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
        seen, sees = networks["generator"].config["framing"], self.judge.network.config["framing"]
        if seen != sees:
            raise ConfigError(
                f"model.judge expects framing '{sees}', the generator uses '{seen}'; choose a "
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
    """Energy of edges at the mouth, see :func:`lipsync.metrics.quality.edge_energy`."""

    def value(self, step: Step) -> Tensor:
        return edge_energy(step.fake.flatten(0, 1))


class SilentMotion(Measure):
    """What is left of the old mouth: its motion under silence as a share of the target's.

    The generator is given the windows once more, with the feature's ``silence`` for their sound.
    ``silent_motion_generated`` is 0 where the mouth rests. Motion is that of
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
        generated, real = (taken(self.means[kind]) for kind in ("generated", "real"))
        return {"silent_motion_generated": generated / real} if real > 0 else {}


class TrueCode(Measure):
    """Of a lips code: PSNR of what is painted from the true one, and what is heard of it.

    ``psnr_true_code`` is in dB, on the lower halves; ``code_correlation`` is Pearson's r of the
    heard numbers with the true ones, their mean.
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
        return {"psnr_true_code": taken(self.psnr), "code_correlation": correlation}


class DiscriminatorAccuracy(Measure):
    """Which of a real face's two sounds is its own? Asked of LipGAN's discriminator.

    The threshold of its distance is fixed on the validation set.
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
        self.answers.update(-own, -shifted)  # scores: higher is more in sync

    def compute(self, validating: bool) -> dict[str, float]:
        self.answers.threshold = None if validating else -float(self.threshold)
        found = {name: float(value) for name, value in self.answers.compute().items()}
        self.answers.reset()
        if validating:
            self.threshold.fill_(-found["threshold"])
        return {f"discriminator_{name}": found[name] for name in ("auc", "accuracy")}


def selection_score(values: Mapping[str, float]) -> float:
    """What checkpoints are selected by, and sweeps make small: 0 is the real video.

    The sum of three parts that know nothing of the objective: the error of the lower half, 1 being
    that of the reference pasted in; the judge's distance beyond that of the real videos, 1 being
    that of the pasted reference; and how much sharper or softer than real the mouth is, 1 being a
    factor of e. A part that was not measured, or a judge that cannot tell the pasted reference from
    the real, counts nothing.
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
        score += abs(torch.tensor(max(ratio, 1e-6)).log().item()) / 2  # energy: of a square
    return score
