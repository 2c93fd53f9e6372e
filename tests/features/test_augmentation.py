"""Augmentation of sound windows in training: amounts, ranges, one change per clip."""

import math
from dataclasses import fields

import pytest
import torch

from lipsync.audio import mel_centres
from lipsync.features.augment import CepstraAugment, HiddenAugment, MelAugment

KINDS = (MelAugment, CepstraAugment, HiddenAugment)
BANDS = {MelAugment: 80, CepstraAugment: 12, HiddenAugment: 384}


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def windows(kind, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, 1, BANDS[kind], 16, generator=random(9))


def amounts(kind, **given: float):
    """An augmentation with only these amounts."""
    return kind(**{field.name: 0 for field in fields(kind)} | given)


def changed(augmentation, sound: torch.Tensor, strength: float = 1.0, seed: int = 0):
    return augmentation.draw(len(sound), strength, random(seed))(sound)


@pytest.mark.parametrize("kind", KINDS)
def test_no_strength_and_no_amounts_change_nothing(kind):
    sound = windows(kind, 3, 2).clamp(-4, 4)
    torch.testing.assert_close(changed(kind(), sound, strength=0.0), sound)
    torch.testing.assert_close(changed(amounts(kind), sound), sound)
    assert not torch.allclose(changed(kind(), sound), sound, atol=0.01)


@pytest.mark.parametrize(
    ("kind", "amount", "much"),
    [
        (MelAugment, "gain", 10), (MelAugment, "tilt", 10), (MelAugment, "noise", 3),
        (MelAugment, "warp", 0.1), (MelAugment, "mask", 10), (MelAugment, "ripple", 3),
        (MelAugment, "pitch", 1.0), (CepstraAugment, "offset", 2.0), (CepstraAugment, "noise", 0.5),
        (HiddenAugment, "noise", 0.1), (HiddenAugment, "drop", 0.2),
    ],
)  # fmt: skip
def test_every_amount_does_something_and_grows_with_the_strength(kind, amount, much):
    sound = windows(kind, 40, 2).clamp(-4, 4)
    augmentation = amounts(kind, **{amount: much})
    full = (changed(augmentation, sound) - sound).abs().mean()
    half = (changed(augmentation, sound, strength=0.5) - sound).abs().mean()
    assert 0.001 < half < 0.8 * full


@pytest.mark.parametrize("kind", KINDS)
def test_one_change_for_all_that_hear_a_clip(kind):
    """Per-frame (clips, K, T, ...) and whole windows (clips, K, ...) change in the same way."""
    augmentation = kind(noise=0)
    sound = windows(kind, 3, 4, 5)
    change = augmentation.draw(3, 1.0, random())
    whole, part = change(sound), change(sound[:, 1:2, 0])
    torch.testing.assert_close(part, whole[:, 1:2, 0])
    one = sound[:1].expand_as(sound)
    assert not torch.allclose(*change(one)[:2], atol=0.01)  # clips differ
    again = augmentation.draw(3, 1.0, random())(sound)
    torch.testing.assert_close(again, whole)
    assert not torch.allclose(augmentation.draw(3, 1.0, random(1))(sound), whole, atol=0.01)


def test_gain_in_decibels():
    mel = torch.zeros(50, 2, 1, 80, 16)
    louder = changed(amounts(MelAugment, gain=10.0), mel)
    assert (louder == louder[:, :1, :, :1, :1]).all()  # one gain per clip
    assert 0.6 < louder.abs().max() <= 0.8  # 10 dB of 100 dB on 8 units
    torch.testing.assert_close(changed(amounts(MelAugment, gain=10.0), mel, 0.5), louder / 2)


def test_the_mel_stays_in_range():
    assert changed(MelAugment(gain=60.0), torch.full((4, 1, 80, 16), 3.9)).abs().max() <= 4


def test_warp_moves_a_tone_by_its_factor():
    centres = mel_centres()
    mel = torch.full((30, 1, 80, 16), -4.0)
    mel[:, :, 40] = 4.0
    moved = changed(amounts(MelAugment, warp=0.2), mel)
    tones = centres[moved[:, 0, :, 0].argmax(dim=1)] / centres[40]
    assert 0.78 < tones.min() < 0.9
    assert 1.1 < tones.max() < 1.22


def test_mask_silences_one_band_in_all_windows_of_a_clip():
    masked = changed(amounts(MelAugment, mask=12), torch.zeros(30, 4, 1, 80, 16)) == -4
    assert torch.equal(masked, masked[:, :1, :, :, :1].expand_as(masked))
    bands = masked[:, 0, 0, :, 0]
    assert bands.sum(dim=1).max() in range(8, 13)
    assert (bands.int().diff(dim=1) == 1).sum(dim=1).max() <= 1  # one band


def test_ripples_are_slow_and_bounded():
    rippled = changed(amounts(MelAugment, ripple=3.0), torch.zeros(30, 4, 1, 80, 16))
    assert torch.equal(rippled, rippled[:, :1, :, :, :1].expand_as(rippled))  # one curve per clip
    curves = rippled[:, 0, 0, :, 0]
    assert 0.3 < curves.abs().max() <= 5 * 3.0 * 8 / 100  # 3 dB of 100 dB on 8 units, five times
    turns = curves.diff(dim=1).sign().diff(dim=1).ne(0).sum(dim=1)
    assert turns.max() <= 6


def test_another_pitch_keeps_the_envelope_and_the_strength_of_harmonics():
    centres = torch.from_numpy(mel_centres()).float()[:, None]
    envelope = torch.cos(math.pi * torch.linspace(0, 1, 80))[:, None].expand(80, 16)
    voiced = torch.arange(16) >= 8  # the second half of the columns
    harmonics = torch.cos(2 * math.pi * centres / 130.0) * (centres < 1500) * voiced
    mel = (envelope + 0.5 * harmonics).expand(30, 2, 1, 80, 16).contiguous()
    other = changed(amounts(MelAugment, pitch=1.0), mel)
    assert torch.equal(other[:, 0], other[:, 1])  # one pitch per clip
    columns = other[:, 0, 0] - envelope
    assert columns[..., :8].abs().max() < 0.1  # nothing voiced, nothing added
    strengths = columns[:, :40, 8:].std(dim=1).mean(dim=1)
    assert strengths.max() == pytest.approx(0.35, abs=0.1)  # less where bands are too wide
    both = torch.cat([columns[:, :40, 12], 0.5 * harmonics[None, :40, 12]])
    assert torch.corrcoef(both)[-1, :-1].abs().median() < 0.3


def test_cepstra_are_offset_by_one_constant_a_coefficient():
    sound = windows(CepstraAugment, 30, 4)
    added = changed(amounts(CepstraAugment, offset=2.0), sound) - sound
    torch.testing.assert_close(added, added[:, :1, :, :, :1].expand_as(added))
    assert 1.8 < added.abs().max() <= 2.0


def test_noise_of_hidden_states_is_relative_to_each_band():
    states = windows(HiddenAugment, 200, 2)
    states[..., 7, :] *= 50
    noise = changed(amounts(HiddenAugment, noise=0.2), states) - states
    scale = noise.std(dim=(0, 1, 2, 4))
    assert scale[7] / scale[8] == pytest.approx(50, rel=0.1)
    assert scale[8] == pytest.approx(0.2 / math.sqrt(3), rel=0.1)  # levels from 0 to 1


def test_dropped_bands_are_dropped_in_all_windows_of_a_clip():
    states = windows(HiddenAugment, 60, 2)
    dropped = changed(amounts(HiddenAugment, drop=0.3), states) == 0
    assert torch.equal(dropped, dropped[:, :1, :, :, :1].expand_as(dropped))
    shares = dropped[:, 0, 0, :, 0].float().mean(dim=1)
    assert shares.max() < 0.4
    assert shares.mean() == pytest.approx(0.15, abs=0.03)
