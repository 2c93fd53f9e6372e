"""The lips code: what its encoder cannot see, and how it affects the output."""

import pytest
import torch

from lipsync.checkpoints import load_model
from lipsync.checkpoints.saving import save_model
from lipsync.errors import ConfigError
from lipsync.features import Mel
from lipsync.models import LipsCode
from lipsync.models.inference import optimise


@pytest.fixture
def network() -> LipsCode:
    torch.manual_seed(0)
    return LipsCode(
        96, width=0.125, depth=0, feature=Mel(window=24, lead=3), framing="box", sound_width=0.1
    ).eval()


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_picture_of_sound_is_the_picture_of_its_code(network):
    mel, faces = pictures(2, 1, 80, 24) * 8 - 4, pictures(2, 9, 96, 96)
    code = network.code_of_sound(mel)
    assert code.shape == (2, 12)
    painted = network(mel, faces)
    assert painted.shape == (2, 3, 96, 96)
    torch.testing.assert_close(network.edit(code, faces), painted)
    fast = optimise(network, torch.float32)
    torch.testing.assert_close(fast(mel, faces), painted, atol=1e-5, rtol=0)
    torch.testing.assert_close(fast.code_of_sound(mel), code, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        fast.code_of_faces(faces[:, :3]), network.code_of_faces(faces[:, :3])
    )
    with torch.no_grad():
        for gain in network.gains:
            torch.nn.init.normal_(gain.weight)
    assert (network.edit(code + 1, faces) - network.edit(code, faces)).abs().max() > 1e-4


def test_the_coder_sees_neither_light_nor_colour_nor_what_is_above_the_mouth(network):
    faces = 0.3 + 0.2 * pictures(2, 3, 96, 96)
    code = network.code_of_faces(faces)
    assert code.shape == (2, 12)
    for same in (faces * 1.5, faces + 0.2, faces.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)):
        torch.testing.assert_close(network.code_of_faces(same), code, atol=1e-4, rtol=0)
    above = faces.clone()
    above[:, :, :48] = 0
    torch.testing.assert_close(network.code_of_faces(above), code)
    below = faces.clone()
    below[:, :, 60:70, 40:56] = 0
    assert (network.see(below) - network.see(faces)).abs().max() > 0.5


def test_it_is_saved_and_loaded_with_the_size_of_its_code(network, tmp_path):
    save_model(network, tmp_path / "code.safetensors", {})
    again = load_model(tmp_path / "code.safetensors")
    assert again.config["numbers"] == 12
    faces = pictures(1, 3, 96, 96)
    torch.testing.assert_close(again.code_of_faces(faces), network.code_of_faces(faces))


def test_the_coder_reads_where_it_is_told():
    """The same mouth at another position and scale has the same code."""
    torch.manual_seed(0)
    sizes = {"width": 0.125, "depth": 0, "framing": "box", "sound_width": 0.1}
    network = LipsCode(96, mouth=(0.25, 0.25, 0.75, 0.75), **sizes).eval()
    faces = pictures(2, 3, 96, 96)
    moved = torch.zeros_like(faces)
    moved[:, :, 30:78, 36:84] = faces[:, :, 24:72, 24:72]
    other = LipsCode(96, mouth=(0.375, 0.3125, 0.875, 0.8125), **sizes).eval()
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(other.code_of_faces(moved), network.code_of_faces(faces))


@pytest.mark.parametrize("mouth", [(0.2, 0.5, 0.8), (0.8, 0.5, 0.2, 1.0), (0.2, 0.5, 0.8, 1.1)])
def test_a_mouth_that_is_no_part_of_the_crop_is_refused(mouth):
    with pytest.raises(ConfigError, match="left, top, right, bottom"):
        LipsCode(96, mouth=mouth)


def test_around_the_mouth_all_is_fetched_from_the_references():
    torch.manual_seed(0)
    box = (0.25, 0.375, 0.75, 0.625)
    network = LipsCode(96, width=0.125, depth=0, framing="box", sound_width=0.1, colours=box).eval()
    with torch.no_grad():  # only colours, wherever they are painted
        network.output_block[-1].bias[3:5] = -15
    faces = pictures(2, 9, 96, 96)
    faces[:, 3:] = 0.5  # a constant source, so that flows have no effect
    painted = network.edit(pictures(2, 12), faces)
    assert (painted[..., 45:51, 45:51] - 0.5).abs().min() > 1e-3
    for around in (painted[..., :32, :], painted[..., 64:, :], painted[..., :16]):
        assert (around - 0.5).abs().max() < 0.01


def test_a_code_without_numbers_is_refused():
    with pytest.raises(ConfigError, match="numbers"):
        LipsCode(96, numbers=0)
