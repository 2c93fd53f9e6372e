"""Training of a generator that speaks through a lips code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models import LipsCode
from lipsync.training.augment import PictureAugment
from lipsync.training.batches import batch_rng, framing_of, generator_faces
from lipsync.training.generator import GeneratorTraining
from lipsync.training.step import Step

_EDITOR = (
    "face_encoder_blocks", "face_decoder_blocks", "output_block", "outer", "reader", "bottom",
    "gains",
)  # fmt: skip
_PARTS = {"editor": _EDITOR, "sound": ("audio_encoder",)}  # that can learn alone


class LipsCodeTraining(GeneratorTraining):
    """Teaches the editor to paint true codes, and the audio encoder to hear them.

    The coder reads the target through an augmentation of its own, alike in all frames of a clip, so
    that a code cannot carry looks, light or pose; some noise on it keeps near codes near in the
    picture.

    Args:
        generator: a :class:`lipsync.models.LipsCode`.
        args: see :class:`GeneratorTraining`.
        learns: "all": pictures are painted from the code of the true mouth, and what is heard is
            drawn towards it. "editor": the same, with the coder and the audio encoder as they are.
            "sound": coder and editor stay as they are, and pictures are painted from what is heard.
        view: what happens to pictures before the coder reads them.
        poses: what happens to each reference on its own before the editor sees it: moved a little,
            it teaches that heads turn between two moments.
        noise: deviation of the noise on codes that are painted, whose own is 1.
        crossed: share of the windows whose face above what is painted is that of another moment,
            the first reference: so the mouth follows from the code alone.
        options: see :class:`GeneratorTraining`.

    Raises:
        ConfigError: another generator, or options that cannot work.
    """

    def __init__(
        self,
        generator: nn.Module,
        *args: Any,
        learns: str = "all",
        view: PictureAugment | None = None,
        poses: PictureAugment | None = None,
        noise: float = 0.1,
        crossed: float = 0.0,
        **options: Any,
    ) -> None:
        if not isinstance(generator, LipsCode):
            raise ConfigError(f"model.generator: {type(generator).__name__} has no lips code")
        if learns not in ("all", *_PARTS):
            raise ConfigError(f"model.learns={learns}: must be one of all, {', '.join(_PARTS)}")
        if not noise >= 0:
            raise ConfigError(f"model.noise={noise}: must be 0 or more")
        if not 0 <= crossed <= 1:
            raise ConfigError(f"model.crossed={crossed}: must be 0 to 1")
        super().__init__(generator, *args, **options)
        self.learns, self.view, self.poses = learns, view, poses
        self.noise, self.crossed = noise, crossed
        if learns != "all":
            if options.get("init_from") is None:
                raise ConfigError(
                    f"model.learns={learns}: needs trained weights; set model.init_from"
                )
            generator.requires_grad_(False)
            for part in self._learning():
                part.requires_grad_(True)
        self.train()  # the other parts stay in eval mode

    def _learning(self) -> list[nn.Module]:
        """The parts of the generator that learn where not all do."""
        return [getattr(self.generator, name) for name in _PARTS[self.learns]]

    def train(self, mode: bool = True) -> LipsCodeTraining:
        super().train(mode)
        if mode and self.learns != "all":
            self.generator.eval()
            for part in self._learning():
                part.train()
        return self

    def painted(self, step: Step) -> Step:
        if self.crossed and self.training:
            step = replace(step, target=self._crossed(step))
        code = self._true_code(step)
        heard = self.generator.code_of_sound(step.sound.flatten(0, 1)).unflatten(0, code.shape[:2])
        shown = heard if self.learns == "sound" else code
        if self.learns != "sound":
            rng = self._rng("noise")
            noise = torch.randn(code.shape, generator=rng, device=rng.device)
            shown = shown + self.noise * noise.to(code)
        faces = generator_faces(self.generator, step.target, self._posed(step)).flatten(0, 1)
        decoded = self.generator.decode(shown.flatten(0, 1), faces)
        fake, flows = self.generator.picture(decoded, faces), self.generator.flows(decoded)
        fake = fake.unflatten(0, code.shape[:2])
        return replace(step, fake=fake, flows=flows, code=code.detach(), heard=heard)

    def _crossed(self, step: Step) -> Tensor:
        """The targets, the last of them beneath the face of another moment."""
        count = round(len(step.target) * self.crossed)
        target, framing = step.target.clone(), framing_of(self.generator)
        above = step.reference[len(target) - count :, :1].expand_as(target[len(target) - count :])
        above = above.clone()
        framing.painted(above)[...] = framing.painted(target[len(target) - count :])
        target[len(target) - count :] = above
        return target

    def _posed(self, step: Step) -> Tensor:
        """The references, each moved on its own."""
        if self.poses is None or not self.training:
            return step.reference
        alone = step.reference.flatten(0, 1)[:, None]
        alone = self.poses(alone, self._strength(step), self._rng("poses"))
        return alone[:, 0].unflatten(0, step.reference.shape[:2])

    def _strength(self, step: Step) -> float:
        return self.augment.strength(step.batch) if self.augment is not None else 1.0

    def _true_code(self, step: Step) -> Tensor:
        faces = step.target
        if self.view is not None and self.learns == "all":
            faces = self.view(faces, self._strength(step), self._rng("view"))
        with torch.set_grad_enabled(self.learns == "all"):
            code = self.generator.code_of_faces(faces.flatten(0, 1))
        return code.unflatten(0, faces.shape[:2])

    def _rng(self, purpose: str) -> torch.Generator:
        rank = self.global_rank if self._trainer else 0
        return batch_rng(self.seed, self.batches_done, rank, purpose, self.device)
