"""Provenance of weights: the networks that trained them, and the hashes that identify them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lipsync.checkpoints.files import fingerprint

CARRIED = ("weights", "frozen", "calibration")
"""Card entries about the weights themselves, which every further file of them inherits."""


def card_of(network: object) -> dict[str, Any]:
    """The model card of the file that a network was loaded from; empty if there is none.

    Also accepts the result of :func:`lipsync.checkpoints.loading.read_weights`.
    """
    return getattr(network, "card", {})


def trained_with(network: object) -> dict[str, list[str]] | None:
    """The frozen networks that a generator was trained with: loss term -> their hashes.

    None if not recorded, as in official and in old files.
    """
    found = card_of(network).get("frozen")
    if not isinstance(found, Mapping):
        return None
    return {str(term): [str(one) for one in hashes] for term, hashes in found.items()}


def merge_origins(*records: Mapping[str, list[str]] | None) -> dict[str, list[str]] | None:
    """Merge records of :func:`trained_with`; None if any is unknown."""
    known = [record for record in records if record is not None]
    if len(known) < len(records):
        return None
    terms = sorted({term for record in known for term in record})
    return {
        term: sorted({one for record in known for one in record.get(term, [])}) for term in terms
    }


def identities(network: nn.Module) -> set[str]:
    """All hashes that may identify a network.

    Those of its weights, of its weights rounded to half precision, and the hash before rounding
    that its file records.
    """
    known = card_of(network).get("weights", [])
    rounded = {name: for_storage(value, half=True) for name, value in network.state_dict().items()}
    restored = {
        name: value.float() if value.is_floating_point() else value
        for name, value in rounded.items()
    }
    return {fingerprint(network), fingerprint(restored), *map(str, known)}


def card_entries(network: nn.Module) -> dict[str, Any]:
    """Card entries about a network's weights: their hash, and those inherited from its file."""
    card = card_of(network)
    kept = {name: card[name] for name in CARRIED if name in card}
    return kept | {"weights": sorted({fingerprint(network), *map(str, kept.get("weights", []))})}


def for_storage(value: Tensor, half: bool) -> Tensor:
    """A tensor as stored in files: matrices and kernels in float16 if ``half``."""
    value = value.detach().cpu()
    if value.is_floating_point():
        value = value.to(torch.float16 if half and value.ndim > 1 else torch.float32)
    return value.contiguous()
