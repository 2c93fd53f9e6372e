"""Augmentation of training batches: images here, audio by each feature's own augmentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lipsync.errors import ConfigError
from lipsync.features import Feature
from lipsync.features.augment import Augmentation, Change
from lipsync.metrics.quality import LUMA

_GRIDS = (3, 5, 8, 12, 18)  # grid sizes of the low frequencies that two faces exchange
_SHADES = ((2, 3), (4, 6), (8, 12))  # rows and columns of the random shading fields


@dataclass
class PictureAugment:
    """Image augmentation at full strength; 0 turns an augmentation off.

    All frames of a clip are augmented alike.

    Attributes:
        flip: probability of a horizontal flip (not ramped).
        grey: probability of conversion to grey.
        brightness: maximum change of brightness, as a fraction of full scale.
        contrast: maximum relative change of contrast.
        colour: maximum relative change of a single channel.
        gamma: maximum change of gamma, as a power of two.
        shade: standard deviation of the log gain of a smooth random shading field: other skin
            tones, beards and lighting.
        blend: probability that a face's low frequencies are blended towards those of another clip
            in the batch: other skin, beards, hair and backgrounds with the same movement.
        negative: probability of inverting the image, so that lips may be darker or lighter than
            the skin.
        blur: probability of a slight blur.
        noise: maximum standard deviation of pixel noise, as a fraction of full scale.
        resample: probability of applying any geometric augmentation, which costs a little
            sharpness.
        shift: maximum translation, as a fraction of the side.
        scale: maximum relative change of size.
        rotate: maximum rotation, in degrees.
        warp: maximum elastic displacement, as a fraction of the side: other face shapes.
    """

    flip: float = 0.5
    grey: float = 0.2
    brightness: float = 0.15
    contrast: float = 0.3
    colour: float = 0.15
    gamma: float = 0.0
    shade: float = 0.0
    blend: float = 0.0
    negative: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    resample: float = 1.0
    shift: float = 0.06
    scale: float = 0.1
    rotate: float = 8.0
    warp: float = 0.0

    def __call__(self, faces: Tensor, strength: float, rng: torch.Generator) -> Tensor:
        """Augment images.

        Args:
            faces: float (C, N, 3, H, W) in [0, 1]: N frames of each of C clips.
            strength: 0 to 1.
            rng: random generator on the device of ``faces``.

        Returns:
            The same shape and range.
        """
        clips, _, _, height, width = faces.shape

        def uniform(limit: float, *shape: int) -> Tensor:
            values = torch.rand((clips, *shape), generator=rng, device=rng.device) * 2 - 1
            return (values * limit * strength).to(faces)

        def random_mask(probability: float) -> Tensor:
            return torch.rand((clips,), generator=rng, device=rng.device) < probability

        # Grey, contrast, colour and brightness as one affine map: gain * mix @ rgb + level
        grey = random_mask(self.grey * strength).to(faces).view(-1, 1, 1)
        mix = torch.lerp(torch.eye(3).to(faces), torch.tensor([LUMA] * 3).to(faces), grey)
        gain = (1 + uniform(self.contrast, 1, 1)) * (1 + uniform(self.colour, 3, 1))
        level = 0.5 - 0.5 * gain + uniform(self.brightness, 1, 1)
        with torch.autocast(faces.device.type, enabled=False):  # bfloat16 has only 8 bits
            faces = ((gain * mix)[:, None] @ faces.flatten(-2)).add_(level[:, None]).clamp_(0, 1)
        faces = faces.view(clips, -1, 3, height, width)
        if self.gamma:
            faces = faces.clamp_min(1e-4) ** (2 ** uniform(self.gamma, 1, 1, 1, 1))
        if self.blend:
            other = random_mask(self.blend * strength).view(-1, 1, 1, 1, 1)
            faces = torch.where(other, _blend_lighting(faces, rng), faces)
        if self.shade:
            faces = _shade(faces, self.shade * strength, rng)
        if self.negative:
            inverted = random_mask(self.negative * strength).view(-1, 1, 1, 1, 1)
            faces = torch.where(inverted, 1 - faces, faces)
        if self.blur:
            blurred = random_mask(self.blur * strength).view(-1, 1, 1, 1, 1)
            soft = F.avg_pool2d(faces.flatten(0, 1), 3, 1, 1, count_include_pad=False)
            faces = torch.where(blurred, soft.view_as(faces), faces)
        if self.noise:
            grain = torch.randn(faces.shape, generator=rng, device=rng.device).to(faces)
            faces = (faces + grain * uniform(self.noise, 1, 1, 1, 1)).clamp_(0, 1)

        mirrored = random_mask(self.flip).view(-1, 1, 1, 1, 1)
        faces = torch.where(mirrored, faces.flip(-1), faces)
        if not (self.rotate or self.scale or self.shift or self.warp):
            return faces
        moved = random_mask(self.resample).to(faces)
        turn, zoom = moved * uniform(math.radians(self.rotate)), 1 + moved * uniform(self.scale)
        across, down = (moved[:, None] * uniform(2 * self.shift, 2)).unbind(1)
        cosine, sine = zoom * turn.cos(), zoom * turn.sin()
        matrix = torch.stack([cosine, -sine, across, sine, cosine, down], dim=1)
        bend = moved.view(-1, 1, 1, 1) * uniform(2 * self.warp, 2, 4, 4) if self.warp else None
        return _warp(faces, matrix.view(-1, 2, 3), bend)


@dataclass
class Augment:
    """Augmentation whose strength ramps up.

    Args:
        ramp: batches until full strength.
        pictures: image augmentation; None for none.
        sound: feature name -> settings of that feature's own augmentation; features that are not
            listed use their defaults. None turns audio augmentation off.
    """

    ramp: int = 0
    pictures: PictureAugment | None = field(default_factory=PictureAugment)
    sound: Mapping[str, Mapping[str, Any]] | None = field(default_factory=dict)

    def strength(self, batch: int) -> float:
        """Strength at a training batch, 0 to 1."""
        return min(1.0, batch / self.ramp) if self.ramp else 1.0

    def faces(self, faces: Tensor, batch: int, rng: torch.Generator) -> Tensor:
        """See :class:`PictureAugment`."""
        return faces if self.pictures is None else self.pictures(faces, self.strength(batch), rng)

    def sounds(
        self, clips: int, batch: int, rng: torch.Generator
    ) -> Callable[[Feature, Tensor], Tensor]:
        """Draw an augmentation per clip, shared by all networks that use the same feature."""
        drawn: dict[str, Change] = {}

        def change(feature: Feature, windows: Tensor) -> Tensor:
            if self.sound is None:
                return windows
            if feature.name not in drawn:
                drawn[feature.name] = self.for_feature(feature).draw(
                    clips, self.strength(batch), rng
                )
            return drawn[feature.name](windows)

        return change

    def for_feature(self, feature: Feature) -> Augmentation:
        """The augmentation of a feature.

        Raises:
            ConfigError: it has no such settings.
        """
        amounts = (self.sound or {}).get(feature.name) or {}
        known = {each.name for each in fields(feature.augmentation)}
        if other := sorted(set(amounts) - known):
            raise ConfigError(
                f"model.augment.sound.{feature.name}.{other[0]}: unknown; available: "
                f"{', '.join(sorted(known))}"
            )
        return feature.augmentation(**amounts)

    def check(self, features: Iterable[Feature]) -> None:
        """Raise ConfigError for settings that a feature's augmentation does not have."""
        for feature in features:
            self.for_feature(feature)


def _blend_lighting(faces: Tensor, rng: torch.Generator) -> Tensor:
    """Shift the low frequencies of clips (C, N, 3, H, W) towards those of the previous clip."""
    size = faces.shape[-2:]
    grid = _GRIDS[int(torch.randint(len(_GRIDS), (), generator=rng, device=rng.device))]
    amount = torch.rand((len(faces), 1, 1, 1), generator=rng, device=rng.device).to(faces)
    coarse = F.adaptive_avg_pool2d(faces.mean(dim=1), grid)
    change = F.interpolate(amount * (coarse.roll(1, dims=0) - coarse), size, mode="bicubic")
    return (faces + change[:, None]).clamp(0, 1)


def _shade(faces: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Multiply clips (C, N, 3, H, W) by a smooth random gain field at three scales."""
    clips, size = len(faces), faces.shape[-2:]
    field = faces.new_zeros((clips, 1, *size))
    for rows, columns in _SHADES:
        coarse = torch.randn((clips, 1, rows, columns), generator=rng, device=rng.device).to(faces)
        amount = torch.rand((clips, 1, 1, 1), generator=rng, device=rng.device).to(faces)
        field = field + amount * F.interpolate(coarse, size, mode="bicubic", align_corners=False)
    shaded = faces * (strength * field).exp()[:, None]
    return shaded / shaded.amax(dim=(1, 2, 3, 4), keepdim=True).clamp_min(1.0)


@torch.autocast("cpu", enabled=False)
@torch.autocast("cuda", enabled=False)
def _warp(faces: Tensor, matrix: Tensor, bend: Tensor | None = None) -> Tensor:
    """Warp all frames of a clip alike, in float32, as half precision misplaces pixels.

    Args:
        faces: (C, N, 3, H, W).
        matrix: (C, 2, 3), affine.
        bend: (C, 2, n, n) displacements on a coarse grid, in half widths.
    """
    clips, count, channels, height, width = faces.shape
    # Use units of the width on both axes, so that rotation does not shear non-square images.
    aspect = height / width
    matrix = matrix * torch.tensor([[1.0, aspect, 1.0], [1 / aspect, 1.0, 1.0]]).to(matrix)
    grid = F.affine_grid(matrix, [clips, 1, height, width], align_corners=False)
    if bend is not None:
        smooth = F.interpolate(bend, (height, width), mode="bicubic", align_corners=True)
        grid = grid + smooth.permute(0, 2, 3, 1) * torch.tensor([1.0, 1 / aspect]).to(grid)
    stacked = faces.reshape(clips, count * channels, height, width)
    return F.grid_sample(stacked, grid, padding_mode="border", align_corners=False).view_as(faces)
