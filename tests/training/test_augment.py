import math

import pytest
import torch

from lipsync.audio import mel_centres
from lipsync.training.augment import Augment
from lipsync.training.batches import (
    batch_rng,
    expert_faces,
    generator_faces,
    mask_lower,
    to_float,
)

NOTHING = {
    **dict.fromkeys(
        ["flip", "grey", "brightness", "contrast", "colour", "shift", "scale", "rotate"], 0.0
    )
}


def pictures(clips: int = 3) -> torch.Tensor:
    return torch.rand(clips, 4, 3, 48, 96, generator=torch.Generator().manual_seed(0))


def test_no_strength_changes_nothing_but_the_flip():
    faces = pictures()
    same = Augment(flip=0.0).faces(faces, 0.0, batch_rng(0, 0))
    torch.testing.assert_close(same, faces, atol=1e-5, rtol=0)
    mirrored = Augment(flip=1.0).faces(faces, 0.0, batch_rng(0, 0))
    torch.testing.assert_close(mirrored, faces.flip(-1), atol=1e-4, rtol=0)


def test_all_pictures_of_a_clip_get_the_same():
    one = pictures()[:, :1].expand(3, 4, 3, 48, 96)
    changed = Augment().faces(one, 1.0, batch_rng(0, 7))
    torch.testing.assert_close(changed, changed[:, :1].expand_as(changed))
    assert (changed[0] - changed[1] - (one[0] - one[1])).abs().mean() > 0.01  # clips differ
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_rotation_keeps_shapes_in_a_wide_picture():
    faces = torch.zeros(1, 1, 3, 48, 96)
    faces[..., 20:28, 20:76] = 1.0  # a bar; sheared, it would change its area
    turned = Augment(**NOTHING | {"rotate": 20.0}).faces(faces, 1.0, batch_rng(3, 0))
    assert (turned - faces).abs().sum() > 50
    assert turned.sum().item() == pytest.approx(faces.sum().item(), rel=0.03)


def test_shift_is_a_share_of_the_side():
    faces = torch.zeros(1, 1, 3, 96, 96)
    faces[..., 40:56, 40:56] = 1.0
    moved = Augment(**NOTHING | {"shift": 0.1}).faces(faces, 1.0, batch_rng(1, 0))
    rows = moved[0, 0, 0].sum(1)
    centre = (rows * torch.arange(96)).sum() / rows.sum()
    assert 0.3 < abs(centre - 47.5) <= 9.6


def test_grey_pictures_have_equal_channels():
    grey = Augment(**NOTHING | {"grey": 1.0}).faces(pictures(), 1.0, batch_rng(0, 0))
    torch.testing.assert_close(grey[:, :, 0], grey[:, :, 2])
    expected = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1) * pictures()
    torch.testing.assert_close(grey[:, :, 0], expected.sum(2), atol=1e-5, rtol=0)


def test_elastic_bends_are_bounded_and_one_for_a_clip():
    faces = torch.zeros(2, 3, 3, 48, 96)
    faces[..., 20:28, 40:56] = 1.0
    bent = Augment(**NOTHING | {"warp": 0.05}).faces(faces, 1.0, batch_rng(2, 0))
    assert torch.equal(bent[:, 0], bent[:, 1])
    assert (bent[0] - bent[1]).abs().sum() > 10  # another face for each clip
    far = torch.ones(48, 96, dtype=torch.bool)
    far[12:36, 32:64] = False  # 0.05 of 96 pixels, and a bicubic's overshoot
    assert bent[..., far].max() == 0


def test_pictures_are_moved_as_precisely_under_autocast():
    augment, faces = Augment(grey=0.0), pictures()
    exact = augment.faces(faces, 1.0, batch_rng(0, 0))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(augment.faces(faces, 1.0, batch_rng(0, 0)), exact)


def test_unmoved_clips_keep_their_pixels():
    options = {"shift": 0.1, "warp": 0.05, "rotate": 9.0, "resample": 0.5}
    faces = pictures(clips=40)
    moved = Augment(**NOTHING | options).faces(faces, 1.0, batch_rng(0, 0))
    change = (moved - faces).abs().amax(dim=(1, 2, 3, 4))
    assert 10 < (change < 1e-3).sum() < 30
    assert (change > 0.1).sum() == 40 - (change < 1e-3).sum()


def test_heads_sway_in_every_window_for_itself():
    ramp = torch.linspace(0, 1, 96).expand(100, 10, 3, 48, 96)  # how far it moved can be read off
    options = {**NOTHING, "sway": 0.02}
    moved = Augment(**options).faces(ramp, 1.0, batch_rng(0, 7))[..., 24, 48] - ramp[..., 24, 48]
    across = moved[:, :, 0].view(100, 2, 5)
    swaying = across.abs().amax(dim=(1, 2)) > 1e-3
    assert 35 < swaying.sum() < 65  # in half of the clips
    across = across[swaying]
    way = (across[..., 4] - across[..., 2]).flatten()
    assert 0.016 < way.std() < 0.026  # of the side, from the middle to the end
    assert torch.corrcoef(torch.stack([across[:, 0, 4], across[:, 1, 4]]))[0, 1].abs() < 0.4
    steps = across.diff(dim=-1)
    assert (steps[..., 1:] - steps[..., :-1]).std() < steps.std()  # smooth
    still = Augment(**options, resample=0.0).faces(ramp, 1.0, batch_rng(0, 7))
    torch.testing.assert_close(still, ramp, atol=1e-5, rtol=0)


def test_gamma_keeps_black_and_white():
    faces = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 3, 1, 1).expand(20, 1, 3, 2, 2)
    toned = Augment(**NOTHING | {"gamma": 1.0}).faces(faces, 1.0, batch_rng(0, 0))
    assert (toned[:, :, 0].max(), toned[:, :, 2].min()) == (pytest.approx(0, abs=0.02), 1)
    assert toned[:, :, 1].min() < 0.4 < 0.6 < toned[:, :, 1].max()


def test_mel_warp_moves_a_tone_by_its_factor():
    centres = mel_centres()
    mel = torch.full((30, 1, 80, 16), -4.0)
    mel[:, :, 40] = 4.0
    quiet = {"mel_gain": 0.0, "mel_tilt": 0.0, "mel_noise": 0.0}
    moved = Augment(**quiet, mel_warp=0.2).mel(mel, 1.0, batch_rng(0, 0))
    tones = centres[moved[:, 0, :, 0].argmax(dim=1)] / centres[40]
    assert 0.78 < tones.min() < 0.9
    assert 1.1 < tones.max() < 1.22


def test_mel_mask_silences_one_band_in_all_windows_of_a_clip():
    mel = torch.zeros(30, 4, 1, 80, 16)
    quiet = {"mel_gain": 0.0, "mel_tilt": 0.0, "mel_noise": 0.0}
    masked = Augment(**quiet, mel_mask=12).mel(mel, 1.0, batch_rng(0, 0)) == -4
    assert torch.equal(masked, masked[:, :1, :, :, :1].expand_as(masked))
    bands = masked[:, 0, 0, :, 0]
    assert bands.sum(dim=1).max() in range(8, 13)
    assert (bands.int().diff(dim=1) == 1).sum(dim=1).max() <= 1  # one band


def test_ripples_are_slow_and_bounded():
    mel = torch.zeros(30, 4, 1, 80, 16)
    quiet = {"mel_gain": 0.0, "mel_tilt": 0.0, "mel_noise": 0.0}
    rippled = Augment(**quiet, mel_ripple=3.0).mel(mel, 1.0, batch_rng(0, 0))
    assert torch.equal(rippled, rippled[:, :1, :, :, :1].expand_as(rippled))  # one curve a clip
    curves = rippled[:, 0, 0, :, 0]
    assert 0.3 < curves.abs().max() <= 5 * 3.0 * 8 / 100  # 3 dB of 100 dB on 8 units, five times
    turns = curves.diff(dim=1).sign().diff(dim=1).ne(0).sum(dim=1)
    assert turns.max() <= 6


def test_another_pitch_keeps_the_envelope_and_the_strength_of_harmonics():
    centres = torch.from_numpy(mel_centres()).float()[:, None]
    envelope = torch.cos(math.pi * torch.linspace(0, 1, 80))[:, None].expand(80, 16)
    voiced = torch.arange(16) >= 8  # the second half of the columns
    harmonics = torch.cos(2 * math.pi * centres / 130.0) * (centres < 1500) * voiced
    mel = (envelope + 0.5 * harmonics).expand(1, 2, 1, 80, 16).contiguous()
    quiet = {"mel_gain": 0.0, "mel_tilt": 0.0, "mel_noise": 0.0}
    other = Augment(**quiet, mel_pitch=1.0).mel(mel, 1.0, batch_rng(0, 1))
    assert torch.equal(other[:, 0], other[:, 1])  # one pitch a clip
    column = other[0, 0, 0] - envelope
    assert column[:, :8].abs().max() < 0.1  # nothing voiced, nothing added
    assert column[:40, 8:].std(dim=0).mean() == pytest.approx(0.35, abs=0.1)
    alike = torch.corrcoef(torch.stack([column[:40, 12], (0.5 * harmonics)[:40, 12]]))[0, 1]
    assert alike.abs() < 0.5
    unchanged = Augment(**quiet, mel_pitch=1.0).mel(mel, 0.0, batch_rng(0, 0))
    assert torch.equal(unchanged, mel)


def test_mel_gain_in_decibels():
    mel = torch.zeros(50, 2, 1, 80, 16)
    louder = Augment(mel_gain=10.0, mel_tilt=0.0, mel_noise=0.0).mel(mel, 1.0, batch_rng(0, 0))
    assert (louder == louder[:, :1, :, :1, :1]).all()  # one gain a clip
    assert 0.6 < louder.abs().max() <= 0.8  # 10 dB of 100 dB on 8 units
    half = Augment(mel_gain=10.0, mel_tilt=0.0, mel_noise=0.0).mel(mel, 0.5, batch_rng(0, 0))
    torch.testing.assert_close(half, louder / 2)


def test_mel_stays_in_range():
    mel = torch.full((4, 1, 80, 16), 3.9)
    assert Augment(mel_gain=60.0).mel(mel, 1.0, batch_rng(0, 0)).abs().max() <= 4


def test_chance_depends_on_seed_and_batch_alone():
    augment, faces = Augment(), pictures()
    first = augment.faces(faces, 1.0, batch_rng(5, 100))
    torch.rand(7)
    assert torch.equal(first, augment.faces(faces, 1.0, batch_rng(5, 100)))
    assert not torch.equal(first, augment.faces(faces, 1.0, batch_rng(5, 101)))


def test_strength_grows_to_one():
    augment = Augment(ramp=100)
    assert [augment.strength(b) for b in (0, 50, 100, 900)] == [0.0, 0.5, 1.0, 1.0]
    assert Augment(ramp=0).strength(0) == 1.0


def test_pixels_are_scaled_once_and_laid_out():
    raw = torch.zeros(2, 5, 8, 8, 3, dtype=torch.uint8)
    raw[0, 1, 2, 3] = torch.tensor([255, 51, 0], dtype=torch.uint8)
    faces = to_float(raw)
    assert faces.shape == (2, 5, 3, 8, 8)
    torch.testing.assert_close(faces[0, 1, :, 2, 3], torch.tensor([1.0, 0.2, 0.0]))


def test_what_the_models_are_shown():
    target, reference = torch.full((1, 5, 3, 8, 8), 0.3), torch.full((1, 5, 3, 8, 8), 0.6)
    shown = generator_faces(target, reference)
    assert shown.shape == (1, 5, 6, 8, 8)
    assert (shown[:, :, :3, :4] == target[..., :4, :]).all()
    assert (shown[:, :, :3, 4:] == 0).all()
    assert (shown[:, :, 3:] == reference).all()
    swapped = generator_faces(target, reference, reference_first=True)
    assert torch.equal(swapped, shown[:, :, [3, 4, 5, 0, 1, 2]])
    assert (target == 0.3).all()
    assert (mask_lower(target)[..., 4:, :] == 0).all()

    window = torch.arange(5 * 3).view(1, 5, 3, 1, 1).float().expand(1, 5, 3, 4, 8)
    assert expert_faces(window)[0, :, 0, 0].tolist() == list(range(15))  # 3 x time + colour
