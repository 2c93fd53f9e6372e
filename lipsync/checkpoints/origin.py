"""Where weights come from: which networks trained them, and by which hashes they are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lipsync.checkpoints.files import fingerprint

CARRIED = ("weights", "frozen", "calibration")
"""What a card says of the weights themselves, so that every further file of them says it, too."""


def card_of(network: object) -> dict[str, Any]:
    """The model card of the file that a network was loaded from; empty where there was none.

    Also of what :func:`lipsync.checkpoints.loading.read_weights` gives.
    """
    return getattr(network, "card", {})


def trained_with(network: object) -> dict[str, list[str]] | None:
    """The frozen networks that a generator was trained with: name of the term -> their hashes.

    None where it is not recorded, as in official files and in those of before.
    """
    found = card_of(network).get("frozen")
    if not isinstance(found, Mapping):
        return None
    return {str(term): [str(one) for one in hashes] for term, hashes in found.items()}


def together(*records: Mapping[str, list[str]] | None) -> dict[str, list[str]] | None:
    """Records of :func:`trained_with` as one; None where one is not known."""
    known = [record for record in records if record is not None]
    if len(known) < len(records):
        return None
    terms = sorted({term for record in known for term in record})
    return {
        term: sorted({one for record in known for one in record.get(term, [])}) for term in terms
    }


def identities(network: nn.Module) -> set[str]:
    """Hashes by which a network may be known to others.

    Those of its weights as they are and as they come back from a file of half precision, and of
    what its file says that they were before they were rounded.
    """
    known = card_of(network).get("weights", [])
    rounded = {name: stored(value, half=True) for name, value in network.state_dict().items()}
    restored = {
        name: value.float() if value.is_floating_point() else value
        for name, value in rounded.items()
    }
    return {fingerprint(network), fingerprint(restored), *map(str, known)}


def carried(network: nn.Module) -> dict[str, Any]:
    """What a file of a network says of its weights: the hash, and what its own file said."""
    card = card_of(network)
    kept = {name: card[name] for name in CARRIED if name in card}
    return kept | {"weights": sorted({fingerprint(network), *map(str, kept.get("weights", []))})}


def stored(value: Tensor, half: bool) -> Tensor:
    """A tensor as files hold it, matrices and kernels in float16 where ``half``."""
    value = value.detach().cpu()
    if value.is_floating_point():
        value = value.to(torch.float16 if half and value.ndim > 1 else torch.float32)
    return value.contiguous()
