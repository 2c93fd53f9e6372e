"""The expert with long windows: composition of a window, and invariances."""

import pytest
import torch

from lipsync.errors import ConfigError
from lipsync.features import SyncNetMFCC
from lipsync.models import LongSyncNet


def network(**options) -> LongSyncNet:
    torch.manual_seed(0)
    return LongSyncNet(width=0.25, **options).eval()


@torch.no_grad()
def test_any_length_of_window_is_joined_from_the_same_moments():
    long, faces = network(window=12), torch.rand(1, 36, 48, 96)
    five = long.with_window(5)
    assert five.config["feature"]["window"] == 16
    moments = torch.stack([long.face_moments(faces[:, 3 * i : 3 * i + 15])[0] for i in range(8)])
    expected = (moments - moments.mean(dim=0)).flatten()
    torch.testing.assert_close(long.embed_face(faces)[0], expected / expected.norm())
    single = five.embed_face(faces[:, :15])[0]
    torch.testing.assert_close(single, moments[0] / moments[0].norm())
    assert len(set(five.parameters()) & set(long.parameters())) == len(list(long.parameters()))


@torch.no_grad()
def test_what_all_moments_have_in_common_says_nothing():
    long, moments = network(), torch.rand(30, 128)
    same = long.join(moments + torch.rand(128))
    torch.testing.assert_close(long.join(moments), same, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_light_contrast_and_size_change_little():
    long, faces = network(image_size=96, window=9), torch.rand(2, 27, 48, 96)
    seen = long.embed_face(faces)
    torch.testing.assert_close(long.embed_face(0.5 * faces + 0.2), seen, atol=1e-3, rtol=1e-2)
    large = LongSyncNet(192, width=0.25, window=9).eval()
    large.load_state_dict(long.state_dict())
    twice = faces.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert (large.embed_face(twice) * seen).sum(dim=1).min() > 0.9


@torch.no_grad()
def test_a_judge_may_see_the_whole_face_and_hear_cepstra():
    judge = network(view="face", feature=SyncNetMFCC(), window=15)
    faces, sound = torch.rand(2, 15, 3, 96, 96), torch.rand(2, 1, 13, 60)
    audio, face = judge(sound, judge.see(faces))
    assert audio.shape == face.shape == (2, 11 * 128)
    upper = faces.clone()
    upper[..., :48, :] = 0
    assert not torch.allclose(judge.embed_face(judge.see(upper)), face)
    mouth = network(window=15)
    torch.testing.assert_close(
        mouth.embed_face(mouth.see(upper)), mouth.embed_face(mouth.see(faces))
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"window": 4}, "window=4 is shorter than 5"), ({"view": "lips"}, "view 'lips' is not one")],
)
def test_what_no_network_can_be_is_one_line(options, problem):
    with pytest.raises(ConfigError, match=problem):
        LongSyncNet(**options)
