"""Augmentation of feature windows in training, on their device."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lipsync.audio import mel_centres

Change = Callable[[Tensor], Tensor]
"""Maps windows (clips, ..., bands, columns) to the same shape; reusable for several tensors."""
_SLOW = 22  # cepstral coefficients of the envelope; harmonics of pitches up to 300 Hz are above
_COEFFICIENTS = 13  # maximum number of cepstral coefficients
_HIDDEN = 1280  # maximum number of bands, that of the largest encoder
_DECIBEL = 8 / 100  # the mel's 8 units span 100 dB


class Augmentation(ABC):
    """Settings at full strength; 0 turns an augmentation off."""

    @abstractmethod
    def draw(self, clips: int, strength: float, rng: torch.Generator) -> Change:
        """Draw a random change per clip.

        Args:
            clips: number of clips.
            strength: 0 to 1.
            rng: random generator on the device of the windows.
        """


@dataclass
class MelAugment(Augmentation):
    """Augmentation of mel windows in [-4, 4].

    Attributes:
        gain: maximum change of loudness, in dB.
        tilt: maximum change of spectral slope, in dB from the lowest band to the highest.
        noise: maximum standard deviation of noise added to the mel, in dB.
        warp: maximum relative scaling of frequency: other vocal tracts (Jaitly & Hinton 2013).
        mask: maximum width of the frequency mask, in bins (SpecAugment, Park et al. 2019).
        ripple: maximum amplitude of each of five slow ripples over the spectrum, in dB: other
            rooms, microphones and timbres.
        pitch: probability of replacing the harmonics by those of another pitch.
    """

    gain: float = 10.0
    tilt: float = 10.0
    noise: float = 3.0
    warp: float = 0.0
    mask: int = 0
    ripple: float = 0.0
    pitch: float = 0.0

    def draw(self, clips: int, strength: float, rng: torch.Generator) -> Change:
        def uniform(*shape: int) -> Tensor:
            """In [-1, 1)."""
            return torch.rand((clips, *shape), generator=rng, device=rng.device) * 2 - 1

        gain, tilt, ripples = uniform(1), uniform(1), uniform(5)
        level, factor = (uniform(1) + 1) / 2, 1 + uniform() * self.warp * strength
        width = (uniform(1) + 1) / 2 * self.mask * strength
        place = (uniform(1) + 1) / 2
        revoiced = (uniform() + 1) / 2 < self.pitch * strength
        pitch = 80.0 * (350 / 80) ** ((uniform() + 1) / 2)

        def change(mel: Tensor) -> Tensor:
            bands, shape = mel.shape[-2], (clips, *[1] * (mel.ndim - 1))

            def spread(curve: Tensor) -> Tensor:
                """Broadcast (clips, bands) over the windows."""
                return curve.view(*shape[:-2], bands, 1)

            slope = torch.linspace(-0.5, 0.5, bands, device=mel.device)
            decibels = gain * self.gain + tilt * self.tilt * slope
            decibels = decibels + self.ripple * ripples @ _cosines(bands, mel.device)[2:7]
            if self.pitch:
                mel = torch.where(revoiced.view(shape), _replace_pitch(mel, pitch), mel)
            if self.warp:
                mel = _warp_frequencies(mel, factor)
            mel = mel + spread(decibels) * (_DECIBEL * strength)
            if self.noise:
                noise = torch.randn(mel.shape, generator=rng, device=mel.device)
                mel = mel + level.view(shape) * noise * (self.noise * _DECIBEL * strength)
            mel = mel.clamp(-4, 4)
            if self.mask:
                first = place * (bands - width)
                band = torch.arange(bands, device=mel.device)
                silent = (band >= first) & (band < first + width)
                mel = mel.masked_fill(spread(silent), -4.0)
            return mel

        return change


@dataclass
class CepstraAugment(Augmentation):
    """Augmentation of cepstra, on their own scale (c0 is about 15, the others within 20 of 0).

    Attributes:
        offset: maximum constant added to each coefficient, like the effect of another channel or
            vocal tract.
        noise: maximum standard deviation of noise.
    """

    offset: float = 2.0
    noise: float = 0.5

    def draw(self, clips: int, strength: float, rng: torch.Generator) -> Change:
        offset = torch.rand((clips, _COEFFICIENTS), generator=rng, device=rng.device) * 2 - 1
        level = torch.rand((clips,), generator=rng, device=rng.device)

        def change(cepstra: Tensor) -> Tensor:
            bands, shape = cepstra.shape[-2], (clips, *[1] * (cepstra.ndim - 1))
            noise = torch.randn(cepstra.shape, generator=rng, device=rng.device)
            added = self.offset * offset[:, :bands].view(*shape[:-2], bands, 1)
            return cepstra + (added + self.noise * level.view(shape) * noise) * strength

        return change


@dataclass
class HiddenAugment(Augmentation):
    """Augmentation of hidden states, whose bands are unordered and differ in scale.

    Attributes:
        noise: maximum standard deviation of noise, relative to that of each band in the windows.
        drop: maximum fraction of bands set to zero.
    """

    noise: float = 0.1
    drop: float = 0.1

    def draw(self, clips: int, strength: float, rng: torch.Generator) -> Change:
        level, share = torch.rand((2, clips, 1), generator=rng, device=rng.device) * strength
        kept = torch.rand((clips, _HIDDEN), generator=rng, device=rng.device) >= share * self.drop

        def change(states: Tensor) -> Tensor:
            bands, shape = states.shape[-2], (clips, *[1] * (states.ndim - 1))
            around = [i for i in range(states.ndim) if i != states.ndim - 2]
            scale = states.std(dim=around, keepdim=True, correction=0) * level.view(shape)
            noise = torch.randn(states.shape, generator=rng, device=states.device)
            noisy = states + self.noise * scale * noise
            return noisy * kept[:, :bands].view(*shape[:-2], bands, 1)

        return change


@cache
def _cosines(bands: int, device: torch.device | str = "cpu") -> Tensor:
    """DCT-II basis over the bands of a mel, (bands, bands)."""
    turns = torch.arange(bands, device=device)
    return torch.cos(math.pi * turns[:, None] * (turns + 0.5) / bands)


@cache
def lifter(bands: int, device: torch.device | str = "cpu") -> Tensor:
    """Projection matrix (bands, bands) of a mel onto its spectral envelope, without harmonics."""
    slow = _cosines(bands, device)[:_SLOW]
    slow = slow / slow.norm(dim=1, keepdim=True)
    return slow.T @ slow


@cache
def _centres(device: torch.device | str = "cpu") -> Tensor:
    return torch.from_numpy(mel_centres()).float().to(device)


def _warp_frequencies(mel: Tensor, factor: Tensor) -> Tensor:
    """Scale the frequencies of a mel by ``factor`` (clips,)."""
    centres = _centres(mel.device)
    last = len(centres) - 1
    target = (centres / factor[:, None]).clamp(centres[0], centres[-1])  # (clips, bands)
    low = (torch.searchsorted(centres, target, right=True) - 1).clamp(0, last - 1)
    share = (target - centres[low]) / (centres[low + 1] - centres[low])
    view = (len(mel), *[1] * (mel.ndim - 3), len(centres), 1)
    low, share = low.view(view), share.view(view).to(mel)
    below = mel.gather(-2, low.expand_as(mel))
    above = mel.gather(-2, (low + 1).expand_as(mel))
    return torch.lerp(below, above, share)


@torch.autocast("cpu", enabled=False)
@torch.autocast("cuda", enabled=False)
def _replace_pitch(mel: Tensor, pitch: Tensor) -> Tensor:
    """Replace the harmonics of a mel (clips, ..., bands, n) by those of pitches (clips,) in Hz.

    The envelope is kept. The residual in each column, a measure of voicing, is replaced by a comb
    of the same strength at the new pitch.
    """
    bands = mel.shape[-2]
    envelope = lifter(bands, mel.device) @ mel
    voiced = (mel - envelope)[..., : bands // 2, :].std(dim=-2, keepdim=True)
    centres = _centres(mel.device)
    spacing = torch.gradient(centres)[0] / pitch[:, None]  # spacing of bands, in harmonics
    comb = torch.cos(2 * math.pi * centres / pitch[:, None]) * torch.exp(-((2 * spacing) ** 2))
    comb = comb.view(len(mel), *[1] * (mel.ndim - 3), bands, 1).to(mel)
    return envelope + 2**0.5 * voiced * comb
