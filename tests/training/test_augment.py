from types import SimpleNamespace

import pytest
import torch

from lipsync.features import LifteredMel, Mel
from lipsync.training.augment import Augment, PictureAugment
from lipsync.training.batches import (
    batch_rng,
    generator_faces,
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
    same = PictureAugment(flip=0.0)(faces, 0.0, batch_rng(0, 0))
    torch.testing.assert_close(same, faces, atol=1e-5, rtol=0)
    mirrored = PictureAugment(flip=1.0)(faces, 0.0, batch_rng(0, 0))
    torch.testing.assert_close(mirrored, faces.flip(-1), atol=1e-4, rtol=0)


def test_all_pictures_of_a_clip_get_the_same():
    one = pictures()[:, :1].expand(3, 4, 3, 48, 96)
    changed = PictureAugment()(one, 1.0, batch_rng(0, 7))
    torch.testing.assert_close(changed, changed[:, :1].expand_as(changed))
    assert (changed[0] - changed[1] - (one[0] - one[1])).abs().mean() > 0.01  # clips differ
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_rotation_keeps_shapes_in_a_wide_picture():
    faces = torch.zeros(1, 1, 3, 48, 96)
    faces[..., 20:28, 20:76] = 1.0  # a bar; sheared, it would change its area
    turned = PictureAugment(**NOTHING | {"rotate": 20.0})(faces, 1.0, batch_rng(3, 0))
    assert (turned - faces).abs().sum() > 50
    assert turned.sum().item() == pytest.approx(faces.sum().item(), rel=0.03)


def test_shift_is_a_share_of_the_side():
    faces = torch.zeros(1, 1, 3, 96, 96)
    faces[..., 40:56, 40:56] = 1.0
    moved = PictureAugment(**NOTHING | {"shift": 0.1})(faces, 1.0, batch_rng(1, 0))
    rows = moved[0, 0, 0].sum(1)
    centre = (rows * torch.arange(96)).sum() / rows.sum()
    assert 0.3 < abs(centre - 47.5) <= 9.6


def test_grey_pictures_have_equal_channels():
    grey = PictureAugment(**NOTHING | {"grey": 1.0})(pictures(), 1.0, batch_rng(0, 0))
    torch.testing.assert_close(grey[:, :, 0], grey[:, :, 2])
    expected = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1) * pictures()
    torch.testing.assert_close(grey[:, :, 0], expected.sum(2), atol=1e-5, rtol=0)


def test_shade_is_smooth_and_alike_in_all_frames():
    flat = torch.full((2, 3, 3, 48, 96), 0.5)
    shaded = PictureAugment(**NOTHING | {"shade": 0.5})(flat, 1.0, batch_rng(0, 0))
    assert torch.equal(shaded[:, 0], shaded[:, 2])
    assert shaded[0, 0].std() > 0.02
    assert (shaded[0] - shaded[1]).abs().mean() > 0.02
    assert shaded.diff(dim=-1).abs().max() < 0.15
    assert shaded.max() <= 1


def test_a_blend_takes_the_colours_of_another_clip_and_moves_as_before():
    faces = torch.full((3, 4, 3, 48, 96), 0.3)
    faces[1] = 0.6
    faces[:, 1, :, 20:30, 40:60] += 0.1  # a moving part
    blended = PictureAugment(**NOTHING | {"blend": 1.0})(faces, 1.0, batch_rng(0, 0))
    torch.testing.assert_close(blended.diff(dim=1), faces.diff(dim=1), atol=1e-5, rtol=0)
    change = (blended - faces)[:, :, :, :12].mean(dim=(1, 2, 3, 4))
    assert change[0].abs() < 0.01  # it follows the third, which looks like it
    assert 0.01 < change[1].abs() < 0.31
    assert change[1] < 0 < change[2]


def test_negative_noise_and_blur_do_what_they_say():
    faces = pictures() * 0.5 + 0.25
    negative = PictureAugment(**NOTHING | {"negative": 1.0})(faces, 1.0, batch_rng(0, 0))
    torch.testing.assert_close(negative, 1 - faces, atol=1e-5, rtol=0)
    noisy = PictureAugment(**NOTHING | {"noise": 0.1})(faces, 1.0, batch_rng(0, 0))
    assert 0 < (noisy - faces).std() < 0.1
    assert not torch.equal(noisy[:, 0] - faces[:, 0], noisy[:, 1] - faces[:, 1])
    soft = PictureAugment(**NOTHING | {"blur": 1.0})(faces, 1.0, batch_rng(0, 0))
    assert soft.std() < 0.5 * faces.std()
    assert soft.mean() == pytest.approx(faces.mean().item(), abs=0.01)


def test_elastic_bends_are_bounded_and_one_for_a_clip():
    faces = torch.zeros(2, 3, 3, 48, 96)
    faces[..., 20:28, 40:56] = 1.0
    bent = PictureAugment(**NOTHING | {"warp": 0.05})(faces, 1.0, batch_rng(2, 0))
    assert torch.equal(bent[:, 0], bent[:, 1])
    assert (bent[0] - bent[1]).abs().sum() > 10  # a different face for each clip
    far = torch.ones(48, 96, dtype=torch.bool)
    far[12:36, 32:64] = False  # 0.05 of 96 pixels, and a bicubic's overshoot
    assert bent[..., far].max() == 0


def test_pictures_are_moved_as_precisely_under_autocast():
    augment, faces = PictureAugment(grey=0.0), pictures()
    exact = augment(faces, 1.0, batch_rng(0, 0))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(augment(faces, 1.0, batch_rng(0, 0)), exact)


def test_unmoved_clips_keep_their_pixels():
    options = {"shift": 0.1, "warp": 0.05, "rotate": 9.0, "resample": 0.5}
    faces = pictures(clips=40)
    moved = PictureAugment(**NOTHING | options)(faces, 1.0, batch_rng(0, 0))
    change = (moved - faces).abs().amax(dim=(1, 2, 3, 4))
    assert 10 < (change < 1e-3).sum() < 30
    assert (change > 0.1).sum() == 40 - (change < 1e-3).sum()


def test_gamma_keeps_black_and_white():
    faces = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 3, 1, 1).expand(20, 1, 3, 2, 2)
    toned = PictureAugment(**NOTHING | {"gamma": 1.0})(faces, 1.0, batch_rng(0, 0))
    assert (toned[:, :, 0].max(), toned[:, :, 2].min()) == (pytest.approx(0, abs=0.02), 1)
    assert toned[:, :, 1].min() < 0.4 < 0.6 < toned[:, :, 1].max()


def test_chance_depends_on_seed_and_batch_alone():
    augment, faces = PictureAugment(), pictures()
    first = augment(faces, 1.0, batch_rng(5, 100))
    torch.rand(7)
    assert torch.equal(first, augment(faces, 1.0, batch_rng(5, 100)))
    assert not torch.equal(first, augment(faces, 1.0, batch_rng(5, 101)))


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
    target = torch.full((1, 5, 3, 8, 8), 0.3)
    reference = torch.tensor([0.6, 0.7]).view(1, 2, 1, 1, 1).expand(1, 2, 3, 8, 8)
    box = SimpleNamespace(config={"framing": "box"}, reference_first=False)
    shown = generator_faces(box, target, reference[:, :1])
    assert shown.shape == (1, 5, 6, 8, 8)
    assert (shown[:, :, :3, :4] == target[..., :4, :]).all()
    assert (shown[:, :, :3, 4:] == 0).all()
    assert (shown[:, :, 3:] == 0.6).all()  # for every frame
    several = generator_faces(box, target, reference)
    assert torch.equal(several[:, :, :6], shown)
    assert (several[:, :, 6:] == 0.7).all()
    box.reference_first = True
    swapped = generator_faces(box, target, reference[:, :1])
    assert torch.equal(swapped, shown[:, :, [3, 4, 5, 0, 1, 2]])
    assert (target == 0.3).all()
    box.config["framing"] = "aligned_jaw"
    lower = generator_faces(box, target, reference[:, :1])[:, :, 3:]
    assert (lower[..., :3, :] == 0.3).all()
    assert (lower[..., 3:, :] == 0).all()


def test_what_hears_the_same_feature_hears_the_same_change():
    quiet = {"tilt": 0.0, "noise": 0.0}
    augment = Augment(sound={"mel": quiet, "liftered_mel": quiet})
    change = augment.sounds(3, 0, batch_rng(0, 0))
    frames, window = torch.zeros(3, 1, 5, 1, 80, 16), torch.zeros(3, 1, 1, 80, 48)
    heard = [change(Mel(lead=2), frames), change(Mel(window=48), window)]
    levels = [each.flatten(1)[:, 0] for each in heard]
    assert levels[0].abs().min() > 0
    torch.testing.assert_close(levels[0], levels[1])
    other = change(LifteredMel(), frames).flatten(1)[:, 0]
    assert (other - levels[0]).abs().min() > 1e-3
    untouched = Augment(sound=None).sounds(3, 0, batch_rng(0, 0))
    assert untouched(Mel(), frames) is frames
