"""Up-convolutions with a low-pass filter: no stripes by the parity of pixels, the same weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lipsync.models import LipsCode, Wav2Lip
from lipsync.models.blocks import AntialiasedUp, ConvBlock
from lipsync.models.folding import folded

SHAPE = (4, 6, 3, 2, 1, 1)


def pair() -> tuple[nn.ConvTranspose2d, AntialiasedUp]:
    """A plain and a filtered up-convolution of the same weights."""
    torch.manual_seed(0)
    plain, filtered = nn.ConvTranspose2d(*SHAPE), AntialiasedUp(*SHAPE)
    filtered.load_state_dict(plain.state_dict())
    return plain.requires_grad_(False), filtered.requires_grad_(False)


def test_it_is_the_plain_one_and_then_the_filter():
    plain, filtered = pair()
    x = torch.randn(2, 4, 9, 7)
    taps = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = (taps[:, None] * taps).expand(6, 1, 3, 3)
    expected = F.conv2d(plain(x), kernel, groups=6)
    found = filtered(x)
    assert found.shape == plain(x).shape
    assert torch.allclose(found[..., 1:-1, 1:-1], expected, atol=1e-5)
    assert torch.allclose(filtered.plain()(x), found, atol=1e-5)


def test_even_skin_gets_no_stripes():
    plain, filtered = pair()
    skin = torch.ones(1, 4, 8, 8)
    inside = (..., slice(2, -2), slice(2, -2))
    assert plain(skin)[inside].std(dim=(2, 3)).min() > 0.05
    assert filtered(skin)[inside].std(dim=(2, 3)).max() < 1e-6


@pytest.mark.parametrize("kind", [LipsCode, Wav2Lip])
def test_generators_of_either_kind_share_weights_and_fold(kind):
    sizes = {"image_size": 96, "width": 0.125, "depth": 0.5}
    plain, filtered = kind(**sizes).eval(), kind(**sizes, antialias=True).eval()
    filtered.load_state_dict(plain.state_dict())
    ups = [m for m in filtered.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [isinstance(up, AntialiasedUp) for up in ups] == [False] + [True] * (len(ups) - 1)
    sound, faces = (torch.rand(2, *shape) for shape in (plain.audio_shape, plain.faces_shape))
    with torch.inference_mode():
        found = filtered(sound, faces)
        assert not torch.allclose(found, plain(sound, faces), atol=1e-4)
        fast = folded(filtered)
        assert torch.allclose(fast(sound, faces), found, atol=1e-5)
    assert not any(isinstance(m, AntialiasedUp) for m in fast.modules())
    assert any(isinstance(m, ConvBlock) for m in fast.modules())
