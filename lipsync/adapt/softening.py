"""Interpolation of adapted weights back towards those of the base."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from torch import nn

from lipsync.adapt.comparison import Gain
from lipsync.models import LipsCode

_SHARES = (1.0, 0.8, 0.6)  # interpolation weights, the most adapted first
_SHARPEST = 1.1  # relative to the sharpness of ground truth


def choose_interpolation(
    base: nn.Module, adapted: nn.Module, judge: Callable[[nn.Module], Gain]
) -> tuple[nn.Module, float, Gain]:
    """The most adapted interpolation between two networks that is not too sharp.

    An overfitted generator is grainy on held-out footage: sharper than ground truth, and than the
    base.

    Args:
        base, adapted: networks of the same architecture.
        judge: evaluates a network on held-out footage.

    Returns:
        The network, its interpolation weight, and its evaluation; the softest if all are too
        sharp.
    """
    for share in _SHARES:
        network = interpolate(base, adapted, share)
        gain = judge(network)
        if gain.sharpness <= max(_SHARPEST, gain.sharpness_base):
            break
    return network, share, gain


def interpolate(base: nn.Module, adapted: nn.Module, share: float) -> nn.Module:
    """Interpolate the weights of two networks.

    Args:
        base: the base network.
        adapted: the adapted network; the audio encoder of a lips-code model is taken from it
            unchanged.
        share: 0 for the base, 1 for the adapted network.
    """
    network, before = deepcopy(adapted), base.state_dict()
    own = "audio_encoder." if isinstance(adapted, LipsCode) else None
    state = {
        name: before[name].lerp(value, share)
        if value.is_floating_point() and not (own and name.startswith(own))
        else value
        for name, value in adapted.state_dict().items()
    }
    network.load_state_dict(state)
    return network
