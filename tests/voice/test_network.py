"""The networks of voice conversion."""

import pytest
import torch

from lipsync.errors import ConfigError
from lipsync.voice.network import VoiceConverter, VoiceDiscriminators


def test_the_published_width_has_33_million_parameters_each_way():
    network = VoiceConverter(["a", "b"])
    millions = sum(p.numel() for p in network.generators[0].parameters()) / 1e6
    assert millions == pytest.approx(32.8, abs=0.1)
    assert network.speakers == ["a", "b"]


@pytest.mark.parametrize("length", [1, 4, 61, 64])
def test_any_length_goes_in_and_comes_out(length):
    network = VoiceConverter(["a", "b"], width=0.0625).eval()
    assert network(torch.randn(2, 32, length), 1).shape == (2, 32, length)


def test_it_begins_as_the_change_of_mean_and_deviation():
    network = VoiceConverter(["a", "b"], coefficients=8, width=0.0625)
    mean, std = torch.arange(16.0).view(2, 8), torch.stack([torch.ones(8), 2 * torch.ones(8)])
    network.set_statistics(mean, std, torch.zeros(2, 2))
    features = torch.randn(3, 8, 12)
    expected = (features - mean[0, :, None]) * 2 + mean[1, :, None]
    torch.testing.assert_close(network(features, 1), expected)
    torch.testing.assert_close(network(network(features, 1), 0), features)


def test_every_weight_can_learn():
    network = VoiceConverter(["a", "b"], coefficients=8, width=0.0625)
    for generator in network.generators:
        torch.nn.init.normal_(generator.last.weight)
    features = torch.randn(2, 8, 32)
    (network(features, 0) * torch.randn(2, 8, 32) + network(features, 1)).square().sum().backward()
    idle = [name for name, p in network.named_parameters() if not p.grad.any()]
    # instance norm removes the bias before it
    assert all(name.endswith("bias") for name in idle), idle


def test_discriminators_judge_patches_of_each_speaker_apart():
    networks = VoiceDiscriminators(width=0.0625).eval()
    features = torch.randn(2, 32, 64)
    outcomes = [networks(features, i) for i in range(2)]
    assert {tuple(x.shape) for x in outcomes} == {(2, 1, 4, 8)}
    assert len({float(x.sum()) for x in outcomes}) == 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"speakers": ["a"]}, "two speakers are needed"),
        ({"speakers": ["a", "a"]}, "two speakers are needed"),
        ({"speakers": ["a", "b"], "coefficients": 30}, "30 coefficients are not a multiple of 8"),
        ({"speakers": ["a", "b"], "width": 0}, "width 0 is not in"),
    ],
)
def test_sizes_that_build_nothing_are_errors(options, problem):
    with pytest.raises(ConfigError, match=problem):
        VoiceConverter(**options)
