"""What may happen to a feature's windows in training, on the device that they are on."""

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
"""Windows (clips, ..., bands, columns) -> the same shape; the same change for any such tensor."""
_SLOW = 22  # cepstral coefficients; the harmonics of voices of up to some 300 Hz are faster
_COEFFICIENTS = 13  # at most
_HIDDEN = 1280  # bands at most, of the largest encoder
_DECIBEL = 8 / 100  # the mel's 8 units span 100 dB


class Augmentation(ABC):
    """The amounts of each kind at full strength; 0 turns a kind off."""

    @abstractmethod
    def draw(self, clips: int, strength: float, rng: torch.Generator) -> Change:
        """Draw one change for each of some clips.

        Args:
            clips: how many.
            strength: 0 to 1.
            rng: on the device of the windows to be changed.
        """


@dataclass
class MelAugment(Augmentation):
    """Changes of mel windows in [-4, 4].

    Attributes:
        gain: largest change of loudness, in dB.
        tilt: largest change of the spectrum's slope, in dB from the lowest band to the highest.
        noise: largest standard deviation of noise on the mel, in dB.
        warp: largest relative change of all frequencies: other vocal tracts (Jaitly & Hinton 2013).
        mask: largest band that is silenced, in bins (Park et al. 2019).
        ripple: largest change of each of five slow ripples of the spectrum, in dB: other rooms,
            microphones and timbres.
        pitch: probability that the harmonics make way for those of another pitch.
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
                """(clips, bands) beside the windows."""
                return curve.view(*shape[:-2], bands, 1)

            slope = torch.linspace(-0.5, 0.5, bands, device=mel.device)
            decibels = gain * self.gain + tilt * self.tilt * slope
            decibels = decibels + self.ripple * ripples @ _cosines(bands, mel.device)[2:7]
            if self.pitch:
                mel = torch.where(revoiced.view(shape), _pitched(mel, pitch), mel)
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
    """Changes of cepstra, on their own scale (c0 is about 15, the others within 20 of 0).

    Attributes:
        offset: largest constant added to each coefficient, which is what another channel or vocal
            tract does.
        noise: largest standard deviation of noise.
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
    """Changes of hidden states, whose bands have no order and scales of their own.

    Attributes:
        noise: largest standard deviation of noise, as a share of each band's own in the windows.
        drop: largest share of the bands that are set to zero.
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
    """Cosines over the bands of a mel, from none to ``bands - 1`` half turns (DCT-II)."""
    turns = torch.arange(bands, device=device)
    return torch.cos(math.pi * turns[:, None] * (turns + 0.5) / bands)


@cache
def lifter(bands: int, device: torch.device | str = "cpu") -> Tensor:
    """The matrix (bands, bands) that leaves a mel's spectral envelope, without its harmonics."""
    slow = _cosines(bands, device)[:_SLOW]
    slow = slow / slow.norm(dim=1, keepdim=True)
    return slow.T @ slow


@cache
def _centres(device: torch.device | str = "cpu") -> Tensor:
    return torch.from_numpy(mel_centres()).float().to(device)


def _warp_frequencies(mel: Tensor, factor: Tensor) -> Tensor:
    """Move what a mel holds at a frequency to ``factor`` (clips,) times that."""
    centres = _centres(mel.device)
    last = len(centres) - 1
    asked = (centres / factor[:, None]).clamp(centres[0], centres[-1])  # (clips, bands)
    low = (torch.searchsorted(centres, asked, right=True) - 1).clamp(0, last - 1)
    share = (asked - centres[low]) / (centres[low + 1] - centres[low])
    view = (len(mel), *[1] * (mel.ndim - 3), len(centres), 1)
    low, share = low.view(view), share.view(view).to(mel)
    below = mel.gather(-2, low.expand_as(mel))
    above = mel.gather(-2, (low + 1).expand_as(mel))
    return torch.lerp(below, above, share)


@torch.autocast("cpu", enabled=False)
@torch.autocast("cuda", enabled=False)
def _pitched(mel: Tensor, pitch: Tensor) -> Tensor:
    """Give a mel (clips, ..., bands, n) the harmonics of other pitches (clips,), in Hz.

    The cepstrum's slow part, the envelope, stays; what is left in each column tells how strongly
    it is voiced, and that much of a comb at the new pitch takes its place.
    """
    bands = mel.shape[-2]
    envelope = lifter(bands, mel.device) @ mel
    voiced = (mel - envelope)[..., : bands // 2, :].std(dim=-2, keepdim=True)
    centres = _centres(mel.device)
    apart = torch.gradient(centres)[0] / pitch[:, None]  # from band to band, in harmonics
    comb = torch.cos(2 * math.pi * centres / pitch[:, None]) * torch.exp(-((2 * apart) ** 2))
    comb = comb.view(len(mel), *[1] * (mel.ndim - 3), bands, 1).to(mel)
    return envelope + 2**0.5 * voiced * comb
