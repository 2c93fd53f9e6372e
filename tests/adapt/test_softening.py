"""Interpolation towards the base until frames are no sharper than ground truth."""

from types import SimpleNamespace

import pytest
import torch

from lipsync.adapt.softening import choose_interpolation, interpolate
from lipsync.models import LipsCode, Wav2Lip


def pair(kind, **sizes):
    networks = [kind(image_size=96, width=0.06, depth=0.0, **sizes) for _ in range(2)]
    for level, network in enumerate(networks):
        for value in network.state_dict().values():
            value.fill_(level)
    return networks


@pytest.mark.parametrize("kind", [LipsCode, Wav2Lip])
def test_weights_lie_between(kind):
    base, adapted = pair(kind, **({"sound_width": 0.1} if kind is LipsCode else {}))
    found = interpolate(base, adapted, 0.25).state_dict()
    assert torch.equal(found["output_block.0.conv_block.0.bias"].unique(), torch.tensor([0.25]))
    heard = {
        float(v) for n, w in found.items() if n.startswith("audio_encoder.") for v in w.unique()
    }
    assert heard == ({1.0} if kind is LipsCode else {0.25, 1.0})  # 1: counts of batches
    assert {float(v) for w in adapted.state_dict().values() for v in w.unique()} == {1.0}


@pytest.mark.parametrize(
    ("sharp", "base_sharp", "share"),
    [((1.05,), 0.9, 1.0), ((1.4, 1.09), 0.9, 0.8), ((1.6, 1.4, 1.3), 0.9, 0.6), ((1.3,), 1.3, 1.0)],
)
def test_what_is_too_sharp_is_moved_back(sharp, base_sharp, share):
    asked = iter(sharp)

    def judge(network):
        return SimpleNamespace(sharpness=next(asked), sharpness_base=base_sharp)

    base, adapted = pair(Wav2Lip)
    network, found, gain = choose_interpolation(base, adapted, judge)
    assert (found, gain.sharpness) == (share, sharp[-1])
    bias = network.state_dict()["output_block.0.conv_block.0.bias"]
    assert float(bias[0]) == pytest.approx(share)
    assert not list(asked)
