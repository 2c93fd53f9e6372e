"""Generalisation to unseen people: motion-only input, sampled pixels, no pitch."""

import numpy as np
import pytest
import torch

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import ConfigError
from lipsync.features import Feature, LifteredMel, Mel
from lipsync.models import SyncNet, Wav2Lip
from lipsync.models.expert import mean_subtracted
from lipsync.models.inference import optimise

SMALL = {"image_size": 96, "width": 0.125, "depth": 0.5}


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_motion_hides_skin_and_light():
    faces = pictures(2, 15, 48, 96)
    seen = mean_subtracted(faces)
    assert seen.shape == (2, 5, 48, 96)
    torch.testing.assert_close(seen.mean(dim=1), torch.zeros(2, 48, 96), atol=1e-5, rtol=0)
    darker = mean_subtracted(faces * 0.4 + 0.1)
    torch.testing.assert_close(darker, seen, atol=1e-4, rtol=0)
    still = faces[:, :3].repeat(1, 5, 1, 1)
    assert mean_subtracted(still).abs().max() < 1e-5
    assert mean_subtracted(torch.zeros(1, 15, 48, 96)).isfinite().all()


def test_an_expert_of_motion_cannot_see_the_light():
    torch.manual_seed(0)
    expert = SyncNet(**SMALL, view="mean_subtracted_grey").eval()
    faces = pictures(2, 15, 48, 96)
    torch.testing.assert_close(expert.embed_face(faces), expert.embed_face(faces * 0.5))
    published = SyncNet(**SMALL).eval()
    assert not torch.allclose(published.embed_face(faces), published.embed_face(faces * 0.5))


def test_a_new_warping_generator_shows_its_reference():
    torch.manual_seed(0)
    network = Wav2Lip(**SMALL, head="warp").eval()
    faces, mel = pictures(2, 6, 96, 96), pictures(2, 1, 80, 16)
    out = network(mel, faces)
    copied = torch.sigmoid(torch.tensor(2.0))
    painted = (out - copied * faces[:, 3:]) / (1 - copied)
    assert -1e-3 <= painted.min() < painted.max() <= 1 + 1e-3
    torch.testing.assert_close(optimise(network, torch.float32)(mel, faces), out, atol=1e-5, rtol=0)


def test_sampled_pixels_come_from_where_the_network_says():
    network = Wav2Lip(**SMALL, head="warp").eval()
    last = network.output_block[-1]
    torch.nn.init.zeros_(last.weight)
    # all sampled, from eight pixels to the right: a flow of 16 / 96 half sides
    reach = torch.atanh(torch.tensor(16 / 96 / 0.3))
    last.bias.data = torch.tensor([0.0, 0.0, 0.0, 30.0, float(reach), 0.0])
    faces = pictures(1, 6, 96, 96)
    with torch.no_grad():
        out = network(torch.zeros(1, 1, 80, 16), faces)
    torch.testing.assert_close(out[..., :88], faces[:, 3:, :, 8:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("head", ["paint", "warp"])
def test_several_references_are_all_seen(head):
    torch.manual_seed(0)
    network = Wav2Lip(**SMALL, head=head, references=3).eval()
    assert network.references == 3
    faces, mel = pictures(2, 12, 96, 96), pictures(2, 1, 80, 16)
    out = network(mel, faces)
    assert out.shape == (2, 3, 96, 96)
    for first in (0, 3, 6, 9):
        changed = faces.clone()
        changed[:, first : first + 3] = 1 - changed[:, first : first + 3]
        assert not torch.allclose(network(mel, changed), out, atol=1e-4)
    fast = optimise(network, torch.float32)
    assert (fast.references, fast.faces_shape) == (3, (12, 96, 96))
    torch.testing.assert_close(fast(mel, faces), out, atol=1e-5, rtol=0)
    with pytest.raises(
        ValueError, match=r"faces of shape \(2, 6, 96, 96\), expected \(batch, 12, 96"
    ):
        network(mel, faces[:, :6])


def test_a_new_warping_generator_shows_all_references_alike():
    network = Wav2Lip(**SMALL, head="warp", references=3).eval()
    faces = pictures(2, 12, 96, 96)
    out = network(pictures(2, 1, 80, 16), faces)
    copied = torch.sigmoid(torch.tensor(2.0))
    painted = (out - copied * faces[:, 3:].unflatten(1, (3, 3)).mean(dim=1)) / (1 - copied)
    assert -1e-3 <= painted.min() < painted.max() <= 1 + 1e-3


def test_every_reference_has_a_flow_and_a_share():
    network = Wav2Lip(**SMALL, head="warp", references=2).eval()
    last = network.output_block[-1]
    torch.nn.init.zeros_(last.weight)
    right, down = (float(torch.atanh(torch.tensor(n * 2 / 96 / 0.3))) for n in (8, 4))
    share = float(torch.tensor(3.0).log())  # three of the second to one of the first
    last.bias.data = torch.tensor([0.0, 0.0, 0.0, 30.0, 30.0 + share, right, 0.0, 0.0, down])
    faces = pictures(1, 9, 96, 96)
    with torch.no_grad():
        out = network(torch.zeros(1, 1, 80, 16), faces)
    expected = 0.25 * faces[:, 3:6, :92, 8:] + 0.75 * faces[:, 6:, 4:, :88]
    torch.testing.assert_close(out[..., :92, :88], expected, atol=1e-4, rtol=0)


def test_one_reference_is_the_network_of_before():
    """Old files do not mention references, and have weights of these shapes."""
    network = Wav2Lip(**SMALL, head="warp")
    assert network.config["references"] == 1
    assert network.face_encoder_blocks[0][0].conv_block[0].weight.shape[1] == 6
    assert network.output_block[-1].weight.shape[0] == 6
    torch.nn.init.normal_(network.output_block[-1].weight, std=0.3)
    x, faces = 4 * pictures(2, 6, 96, 96) - 2, pictures(2, 6, 96, 96)
    blended = network._picture(x, faces)
    share = torch.sigmoid(x[:, 3:4])
    sampled = (blended - (1 - share) * torch.sigmoid(x[:, :3])) / share
    at = (2 * torch.arange(96) + 1) / 96 - 1
    flow = 0.3 * torch.tanh(x[:, 4:])
    grid = torch.stack([at + flow[:, 0], at[:, None] + flow[:, 1]], dim=-1)
    expected = torch.nn.functional.grid_sample(
        faces[:, 3:], grid, padding_mode="border", align_corners=False
    )
    torch.testing.assert_close(sampled, expected, atol=1e-4, rtol=0)


def test_no_network_of_no_references():
    for references in (0, 1.5, True):
        with pytest.raises(ConfigError, match=f"Wav2Lip: references={references}: must be a whole"):
            Wav2Lip(**SMALL, references=references)


def vowel(pitch: float, feature: Feature) -> torch.Tensor:
    """The mel of a steady sound with fixed formants at any pitch: (1, 1, 80, 16)."""
    harmonics = np.arange(1, int(7000 / pitch)) * pitch
    weights = sum(np.exp(-(((harmonics - f) / 200) ** 2)) for f in (700, 1200, 2600)) + 1e-3
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    wave = (weights[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time)).sum(0)
    mel = feature.extract((0.3 * wave / np.abs(wave).max()).astype(np.float32))
    return torch.from_numpy(mel[:, 20:36]).view(1, 1, 80, 16)


def test_the_envelope_hides_the_pitch():
    low, high = vowel(110, LifteredMel()), vowel(165, LifteredMel())
    rough = (vowel(110, Mel()) - vowel(165, Mel())).std()
    assert (low - high).std() < rough / 2
    other = vowel(110, Mel()) - vowel(110, Mel()).flip(2)
    assert (low - low.flip(2)).std() > 0.8 * other.std()  # the phonetic content stays


@pytest.mark.parametrize(
    ("build", "said"),
    [(SyncNet, "view"), (Wav2Lip, "head"), (SyncNet, "feature"), (Wav2Lip, "feature")],
)
def test_unknown_kinds_are_refused(build, said):
    with pytest.raises(ConfigError, match=said):
        build(**SMALL, **{said: "other"})
