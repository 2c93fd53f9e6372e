"""Training of a generator that is conditioned on a lips code."""

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
_PARTS = {"editor": _EDITOR, "sound": ("audio_encoder",)}  # parts that can be trained alone


class LipsCodeTraining(GeneratorTraining):
    """Train the editor to render true lips codes, and the audio encoder to predict them.

    The coder encodes the target under its own augmentation, alike in all frames of a clip, so that
    the code cannot carry appearance, lighting or pose. Noise on the code makes the editor smooth in
    it.

    Args:
        generator: a :class:`lipsync.models.LipsCode`.
        args: see :class:`GeneratorTraining`.
        learns: "all": faces are generated from the code of the true mouth, which the code predicted
            from audio is trained to match. "editor": the same, with coder and audio encoder frozen.
            "sound": coder and editor frozen, and faces generated from the code predicted from
            audio.
        view: augmentation of the coder's input.
        poses: augmentation of each reference on its own; small shifts mimic head movement between
            reference and target.
        noise: standard deviation of the noise added to codes, which themselves have deviation 1.
        crossed: fraction of windows whose unmasked region is replaced by that of the first
            reference, so that the mouth can only be inferred from the code.
        options: see :class:`GeneratorTraining`.

    Raises:
        ConfigError: not a :class:`lipsync.models.LipsCode`, or invalid options.
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
            for part in self._trained_parts():
                part.requires_grad_(True)
        self.train()  # puts frozen parts in eval mode

    def _trained_parts(self) -> list[nn.Module]:
        """Parts of the generator that are trained, where not all are."""
        return [getattr(self.generator, name) for name in _PARTS[self.learns]]

    def train(self, mode: bool = True) -> LipsCodeTraining:
        super().train(mode)
        if mode and self.learns != "all":
            self.generator.eval()
            for part in self._trained_parts():
                part.train()
        return self

    def generate(self, step: Step) -> Step:
        if self.crossed and self.training:
            step = replace(step, target=self._cross_targets(step))
        code = self._true_code(step)
        predicted = self.generator.code_of_sound(step.sound.flatten(0, 1)).unflatten(
            0, code.shape[:2]
        )
        rendered_code = predicted if self.learns == "sound" else code
        if self.learns != "sound":
            rng = self._rng("noise")
            noise = torch.randn(code.shape, generator=rng, device=rng.device)
            rendered_code = rendered_code + self.noise * noise.to(code)
        faces = generator_faces(
            self.generator, step.target, self._augment_references(step)
        ).flatten(0, 1)
        decoded = self.generator.decode(rendered_code.flatten(0, 1), faces)
        fake, flows = self.generator.picture(decoded, faces), self.generator.flows(decoded)
        fake = fake.unflatten(0, code.shape[:2])
        return replace(step, fake=fake, flows=flows, code=code.detach(), predicted_code=predicted)

    def _cross_targets(self, step: Step) -> Tensor:
        """Targets; the last ones have the unmasked region of the first reference."""
        count = round(len(step.target) * self.crossed)
        target, framing = step.target.clone(), framing_of(self.generator)
        above = step.reference[len(target) - count :, :1].expand_as(target[len(target) - count :])
        above = above.clone()
        framing.generated_rows(above)[...] = framing.generated_rows(target[len(target) - count :])
        target[len(target) - count :] = above
        return target

    def _augment_references(self, step: Step) -> Tensor:
        """References, each augmented on its own."""
        if self.poses is None or not self.training:
            return step.reference
        singles = step.reference.flatten(0, 1)[:, None]
        singles = self.poses(singles, self._strength(step), self._rng("poses"))
        return singles[:, 0].unflatten(0, step.reference.shape[:2])

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
