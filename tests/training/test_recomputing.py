"""Activation checkpointing: same numbers, less memory."""

from copy import deepcopy

import pytest
import torch

from lipsync.models import LipsCode, Wav2Lip
from lipsync.training.recomputing import recompute_stages

SIZES = {"width": 0.125, "depth": 0.5, "framing": "box", "grown_from": [96]}


def networks() -> list[torch.nn.Module]:
    torch.manual_seed(0)
    made = [Wav2Lip(128, **SIZES), LipsCode(128, **SIZES, sound_width=0.1)]
    for network in made:
        torch.nn.init.normal_(network.outer[0].output_block[-1].weight, std=0.1)
    return made


def step(network: torch.nn.Module) -> int:
    """A forward and backward pass; returns the bytes kept in between."""
    g = torch.Generator().manual_seed(1)
    sound = torch.rand(2, *network.audio_shape, generator=g)
    faces = torch.rand(2, *network.faces_shape, generator=g)
    kept: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        painted = network(sound, faces)
    (painted * torch.rand(painted.shape, generator=g)).sum().backward()
    return sum(kept.values())


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("plain", networks(), ids=lambda network: type(network).__name__)
def test_gradients_and_statistics_agree_and_less_is_kept(plain, frozen):
    plain = deepcopy(plain).train(not frozen)
    if frozen:  # gradients reach earlier stages
        plain.face_decoder_blocks.requires_grad_(False)
    again = deepcopy(plain)
    recompute_stages(again)
    assert step(again) < 0.5 * step(plain)
    for (name, one), (_, other) in zip(
        plain.named_parameters(), again.named_parameters(), strict=True
    ):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad, msg=name)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, msg=name)
