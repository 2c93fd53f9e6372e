"""Augmentation of whole batches on the device, one draw of parameters for each clip.

All windows of a clip get the same flip, colour, shift and loudness, so that none of it tells one
window from another. Strength grows from 0 to 1 over ``ramp`` batches: at full strength from the
first step an expert can stay at chance for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lipsync.audio import mel_centres
from lipsync.models.encoders import cosines, smoothing
from lipsync.windows import T

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma of R, G, B


@dataclass
class Augment:
    """What may happen to a clip at full strength; 0 turns a kind off.

    Attributes:
        ramp: batches until full strength.
        flip: probability of a mirror image (not ramped).
        grey: probability of a grey picture.
        brightness: largest change of the level, as a share of full scale.
        contrast: largest relative change of the contrast.
        colour: largest relative change of single channels.
        gamma: largest change of the tone curve, as a power of two.
        resample: probability that a picture is moved, scaled, turned, bent or swayed at all, which
            costs a little of its sharpness.
        shift: largest translation, as a share of the side.
        scale: largest relative change of size.
        rotate: largest rotation, in degrees.
        warp: largest elastic displacement, as a share of the side: other shapes of face.
        sway: how far heads move within a window of five pictures, every window for itself, in half
            of the clips: standard deviation of the way from its middle to its end, as a share of
            the side.
        mel_gain: largest change of loudness, in dB.
        mel_tilt: largest change of the spectrum's slope, in dB from the lowest bin to the highest.
        mel_noise: largest standard deviation of noise on the mel, in dB.
        mel_warp: largest relative change of all frequencies: other vocal tracts (Jaitly & Hinton
            2013).
        mel_mask: largest band of bins that is silenced (Park et al. 2019).
        mel_ripple: largest change of each of five slow ripples of the spectrum, in dB: other
            rooms, microphones and timbres.
        mel_pitch: probability that the harmonics make way for those of another pitch.
    """

    ramp: int = 0
    flip: float = 0.5
    grey: float = 0.2
    brightness: float = 0.15
    contrast: float = 0.3
    colour: float = 0.15
    gamma: float = 0.0
    resample: float = 1.0
    shift: float = 0.06
    scale: float = 0.1
    rotate: float = 8.0
    warp: float = 0.0
    sway: float = 0.0
    mel_gain: float = 10.0
    mel_tilt: float = 10.0
    mel_noise: float = 3.0
    mel_warp: float = 0.0
    mel_mask: int = 0
    mel_ripple: float = 0.0
    mel_pitch: float = 0.0

    def strength(self, batch: int) -> float:
        """Between 0 and 1."""
        return min(1.0, batch / self.ramp) if self.ramp else 1.0

    def faces(self, faces: Tensor, strength: float, rng: torch.Generator) -> Tensor:
        """Augment pictures.

        Args:
            faces: float (C, N, 3, H, W) in [0, 1]: N pictures of each of C clips; with ``sway``,
                windows of five one after the other.
            strength: 0 to 1.
            rng: source of chance, on the CPU.

        Returns:
            The same shape and range.
        """
        clips, count, _, height, width = faces.shape

        def uniform(limit: float, *shape: int) -> Tensor:
            values = torch.rand((clips, *shape), generator=rng) * 2 - 1
            return (values * limit * strength).to(faces)

        def chance(probability: float) -> Tensor:
            return torch.rand((clips,), generator=rng) < probability

        # Grey, contrast, colour and brightness are one map of a pixel: gain * mix @ rgb + level.
        grey = chance(self.grey * strength).to(faces).view(-1, 1, 1)
        mix = torch.lerp(torch.eye(3).to(faces), faces.new_tensor([_GREY] * 3), grey)
        gain = (1 + uniform(self.contrast, 1, 1)) * (1 + uniform(self.colour, 3, 1))
        level = 0.5 - 0.5 * gain + uniform(self.brightness, 1, 1)
        with torch.autocast(faces.device.type, enabled=False):  # pixels need more than 8 bits
            faces = ((gain * mix)[:, None] @ faces.flatten(-2)).add_(level[:, None]).clamp_(0, 1)
        faces = faces.view(clips, -1, 3, height, width)
        if self.gamma:
            faces = faces.clamp_min(1e-4) ** (2 ** uniform(self.gamma, 1, 1, 1, 1))

        mirrored = chance(self.flip).to(faces.device).view(-1, 1, 1, 1, 1)
        faces = torch.where(mirrored, faces.flip(-1), faces)
        if not (self.rotate or self.scale or self.shift or self.warp or self.sway):
            return faces
        moved = chance(self.resample).to(faces)
        turn, zoom = moved * uniform(math.radians(self.rotate)), 1 + moved * uniform(self.scale)
        across, down = (moved[:, None] * uniform(2 * self.shift, 2)).unbind(1)
        cosine, sine = zoom * turn.cos(), zoom * turn.sin()
        matrix = torch.stack([cosine, -sine, across, sine, cosine, down], dim=1)
        bend = moved.view(-1, 1, 1, 1) * uniform(2 * self.warp, 2, 4, 4) if self.warp else None
        path = None
        if self.sway:
            path = _paths(clips, count // T, rng).view(clips, count, 2).to(faces)
            swaying = moved * chance(0.5).to(faces)
            path = path * swaying.view(-1, 1, 1) * (2 * self.sway * strength)
        return _warp(faces, matrix.view(-1, 2, 3), bend, path)

    def pair(
        self, target: Tensor, reference: Tensor, strength: float, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Augment targets and references, (C, T, 3, H, W) each, alike; see :meth:`faces`."""
        both = self.faces(torch.cat([target, reference], dim=1), strength, rng)
        target, reference = both.split([target.shape[1], reference.shape[1]], dim=1)
        return target, reference

    def mel(self, mel: Tensor, strength: float, rng: torch.Generator) -> Tensor:
        """Augment mels: float (C, ..., 80, 16) in [-4, 4], one draw for each of C clips."""
        clips, bins = len(mel), mel.shape[-2]
        draw = torch.rand((clips, 3), generator=rng)
        noise = torch.randn(mel.shape, generator=rng)
        unit = 8 / 100 * strength  # the mel's 8 units span 100 dB
        shape = (clips, *[1] * (mel.ndim - 1))
        gain, tilt = ((draw[:, i] * 2 - 1).view(shape) for i in range(2))
        slope = torch.linspace(-0.5, 0.5, bins).view(bins, 1)
        change = gain * self.mel_gain + tilt * self.mel_tilt * slope
        change = change + draw[:, 2].view(shape) * self.mel_noise * noise
        if self.mel_ripple:
            ripples = torch.rand((clips, 5), generator=rng) * 2 - 1
            curve = self.mel_ripple * ripples @ cosines(bins)[2:7]
            change = change + curve.view(*shape[:-2], bins, 1)
        if self.mel_pitch:
            chosen = torch.rand((clips,), generator=rng) < self.mel_pitch * strength
            pitch = 80.0 * (350 / 80) ** torch.rand((clips,), generator=rng)
            mel = torch.where(chosen.view(shape).to(mel.device), _pitched(mel, pitch), mel)
        if self.mel_warp:
            factor = 1 + (torch.rand((clips,), generator=rng) * 2 - 1) * self.mel_warp * strength
            mel = _warp_frequencies(mel, factor)
        mel = (mel + (change * unit).to(mel)).clamp(-4, 4)
        if self.mel_mask:
            widest = torch.rand((clips, 1), generator=rng) * self.mel_mask * strength
            first = torch.rand((clips, 1), generator=rng) * (bins - widest)
            bin_number = torch.arange(bins)[None]
            silent = (bin_number >= first) & (bin_number < first + widest)
            mel = mel.masked_fill(silent.view(*shape[:-2], bins, 1).to(mel.device), -4.0)
        return mel


def _paths(clips: int, windows: int, rng: torch.Generator) -> Tensor:
    """Where a head is in each of a window's pictures: (clips, windows, T, 2), about 1 large.

    A steady move, one that turns back, and a little trembling.
    """
    time = torch.linspace(-1, 1, T).view(T, 1)
    steady, back = torch.randn((2, clips, windows, 1, 2), generator=rng)
    tremble = torch.randn((clips, windows, T, 2), generator=rng)
    return steady * time + back * 0.5 * (time**2 - 0.5) + 0.15 * tremble


def _warp_frequencies(mel: Tensor, factor: Tensor) -> Tensor:
    """Move what a mel holds at a frequency to ``factor`` (C,) times that; (C, ..., bins, n)."""
    centres = mel_centres()
    where = np.stack([np.interp(centres / f, centres, np.arange(len(centres))) for f in factor])
    position = torch.from_numpy(where).to(mel).view(-1, *[1] * (mel.ndim - 3), len(centres), 1)
    low = position.floor().clamp_max(len(centres) - 2)
    below = mel.gather(-2, low.long().expand_as(mel))
    above = mel.gather(-2, low.long().add(1).expand_as(mel))
    return torch.lerp(below, above, position - low)


@torch.autocast("cpu", enabled=False)
@torch.autocast("cuda", enabled=False)
def _pitched(mel: Tensor, pitch: Tensor) -> Tensor:
    """Give a mel (C, ..., bins, n) the harmonics of other pitches (C,), in Hz.

    The cepstrum's slow part, the envelope, stays; what is left in each column tells how strongly
    it is voiced, and that much of a comb at the new pitch takes its place.
    """
    bins = mel.shape[-2]
    envelope = smoothing(bins).to(mel) @ mel
    voiced = (mel - envelope)[..., : bins // 2, :].std(dim=-2, keepdim=True)
    centres = torch.from_numpy(mel_centres()).float()
    apart = torch.gradient(centres)[0] / pitch[:, None]  # from bin to bin, in harmonics
    comb = torch.cos(2 * math.pi * centres / pitch[:, None]) * torch.exp(-((2 * apart) ** 2))
    comb = comb.view(-1, *[1] * (mel.ndim - 3), bins, 1).to(mel)
    return envelope + 2**0.5 * voiced * comb


@torch.autocast("cpu", enabled=False)
@torch.autocast("cuda", enabled=False)
def _warp(
    faces: Tensor, matrix: Tensor, bend: Tensor | None = None, path: Tensor | None = None
) -> Tensor:
    """Apply one map to all pictures of a clip; in full precision, to hundredths of a pixel.

    Args:
        faces: (C, N, 3, H, W).
        matrix: (C, 2, 3), affine.
        bend: (C, 2, n, n) displacements on a coarse grid, in half widths.
        path: (C, N, 2) where each picture is moved besides, across and down, in half widths.
    """
    clips, count, channels, height, width = faces.shape
    # Work in units of the width, so that rotation does not shear the (wide) lower half.
    aspect = height / width
    matrix = matrix * matrix.new_tensor([[1.0, aspect, 1.0], [1 / aspect, 1.0, 1.0]])
    grid = F.affine_grid(matrix, [clips, 1, height, width], align_corners=False)
    if bend is not None:
        smooth = F.interpolate(bend, (height, width), mode="bicubic", align_corners=True)
        grid = grid + smooth.permute(0, 2, 3, 1) * grid.new_tensor([1.0, 1 / aspect])
    if path is None:  # one grid for all pictures of a clip
        stacked = faces.reshape(clips, count * channels, height, width)
    else:
        moves = path * path.new_tensor([1.0, 1 / aspect])
        grid = (grid[:, None] + moves[:, :, None, None]).flatten(0, 1)
        stacked = faces.reshape(clips * count, channels, height, width)
    warped = F.grid_sample(stacked, grid, padding_mode="border", align_corners=False)
    return warped.view_as(faces)
