"""Patch discriminators: what each view of a face shows them."""

import pytest
import torch

from lipsync.errors import ConfigError
from lipsync.models import PatchDiscriminator

VIEWS = {
    "lower": {"part": (0, 0.5, 1, 1)},
    "mouth": {"part": (0.25, 0.5, 0.75, 1), "enlarged": 2},
    "flicker": {"part": (0, 0.5, 1, 1), "frames": 5},
}


def network() -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator(96, VIEWS, width=0.125)


def windows(frames: int = 5) -> torch.Tensor:
    return torch.rand(2, frames, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def logits(view: str, faces: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network().look(view, faces)[-1]


def test_every_view_has_logits_of_its_patches():
    assert logits("lower", windows()).shape == (10, 1, 6, 12)
    assert logits("mouth", windows()).shape == (10, 1, 12, 12)  # 48 px at twice the size
    assert logits("flicker", windows()).shape == (2, 1, 6, 12)
    assert logits("flicker", windows(11)).shape == (4, 1, 6, 12)  # the last frame has no successor
    again = PatchDiscriminator(**network().config)
    assert [*again.state_dict()] == [*network().state_dict()]


def test_a_patch_is_judged_by_its_place_alone():
    faces, spotted, above = windows(), windows(), windows()
    spotted[..., 52:60, 4:12] = 1
    moved = (logits("lower", spotted) - logits("lower", faces)).abs()
    assert moved[..., :2, :2].min() > 1e-3
    assert moved[..., 5:].max() == 0
    above[..., :48, :] = 0
    for view in VIEWS:
        assert torch.equal(logits(view, above), logits(view, faces))


def test_only_one_view_sees_flicker():
    """The same frames in another order: individually realistic, but not as a sequence."""
    faces = windows()
    shuffled = faces[:, [1, 0, 3, 2, 4]]
    for view, moves in (("lower", False), ("mouth", False), ("flicker", True)):
        moved = (logits(view, shuffled).mean() - logits(view, faces).mean()).abs()
        assert (float(moved) > 1e-4) == moves


def test_the_signal_keeps_its_size():
    """Without norms, because default weights would give one number for all patches."""
    assert logits("lower", windows()).std() > 0.2


@pytest.mark.parametrize(
    ("view", "told"),
    [
        ({"part": (0.5, 0, 0.2, 1)}, "views.mouth.part=.*must be left, top, right, bottom"),
        ({"part": (0, 0, 1, 1), "frames": 0}, "views.mouth.frames=0"),
        ({"part": (0, 0, 1, 1), "enlarged": 1.5}, "views.mouth.enlarged=1.5"),
    ],
)
def test_views_that_cannot_be_are_refused(view, told):
    with pytest.raises(ConfigError, match=told):
        PatchDiscriminator(96, {"mouth": view})


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="view flicker takes 5 frames, got 4"):
        network().look("flicker", windows(4))
