"""SyncNet v2 at sizes other than the published one, and the faster form of a judge's network."""

import pytest
import torch
from deterministic import fill, image, mel

from lipsync.errors import ConfigError
from lipsync.models import SyncNet, SyncNetV2
from lipsync.models.folding import folded
from lipsync.models.sound import SYNCNET_MFCC


@pytest.mark.parametrize("size", [64, 96, 112, 160, 224])
def test_embeddings_keep_their_width_at_any_size(size):
    network = SyncNetV2(size, width=0.1).eval()
    audio, face = network(torch.zeros(2, 1, 13, 20), torch.zeros(2, 3, 5, size, size))
    assert audio.shape == face.shape == (2, 1024)
    assert network.state_dict().keys() == SyncNetV2(width=0.1).state_dict().keys()
    assert SyncNetV2(**network.config).config == network.config


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ConfigError, match=r"SyncNetV2: image_size 48 is not in \[64, 512\]"):
        SyncNetV2(48)
    with pytest.raises(ConfigError, match="SyncNetV2: width 0 is not in"):
        SyncNetV2(width=0)
    with pytest.raises(ConfigError, match=r"SyncNetV2: windows of .* are too small"):
        SyncNetV2(window=2, feature=SYNCNET_MFCC | {"rate": 25})
    with pytest.raises(ValueError, match=r"faces of shape \(1, 3, 5, 224, 224\), expected"):
        SyncNetV2(112, 0.1).embed_face(torch.zeros(1, 3, 5, 224, 224))


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (
            lambda: SyncNetV2(112, width=0.25),
            lambda: (mel("fold", 3, 1, 13, 20), image("fold", 3, 3, 5, 112, 112, high=255)),
        ),
        (
            lambda: SyncNet(width=0.25, depth=1.0),
            lambda: (mel("fold", 3, 1, 80, 16), image("fold", 3, 15, 48, 96)),
        ),
    ],
    ids=["syncnet_v2", "expert"],
)
def test_folded_networks_give_the_same_embeddings(make, inputs):
    network, (sound, faces) = fill(make()), inputs()
    fast = folded(network.train())
    assert network.training  # the network is unchanged
    network.eval()
    norms = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
    assert not any(isinstance(module, norms) for module in fast.modules())
    with torch.inference_mode():
        for found, expected in zip(fast(sound, faces), network(sound, faces), strict=True):
            scale = float(expected.abs().max())
            torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=0)
