"""How far an adaptation goes: its weights, moved back towards those of its base."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from torch import nn

from lipsync.adapt.comparison import Gain
from lipsync.models import LipsCode

_SHARES = (1.0, 0.8, 0.6)  # of the way from the base, the farthest first
_SHARPEST = 1.1  # share of the true pictures' sharpness


def as_far_as_sharp(
    base: nn.Module, adapted: nn.Module, judge: Callable[[nn.Module], Gain]
) -> tuple[nn.Module, float, Gain]:
    """The network on the way from base to adapted that goes farthest without being too sharp.

    A person that was learned too well is painted grainy at other moments: sharper than the true
    pictures, and than the base.

    Args:
        base, adapted: two of one kind.
        judge: what a network is worth on held-out footage.

    Returns:
        The network, its share of the way, and what it is worth; the softest where all are too
        sharp.
    """
    for share in _SHARES:
        network = softened(base, adapted, share)
        gain = judge(network)
        if gain.sharpness <= max(_SHARPEST, gain.sharpness_base):
            break
    return network, share, gain


def softened(base: nn.Module, adapted: nn.Module, share: float) -> nn.Module:
    """A network between two of one kind.

    Args:
        base: what the adaptation began from.
        adapted: what it came to; the audio encoder of a lips code is taken from it as it is.
        share: of the way, 0 for the base and 1 for the adapted.
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
