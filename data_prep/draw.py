"""Which groups of clips (a speaker's, a video's) a split holds: drawn by a hash of their names.

A group's place depends on its own name alone, not on a random generator or on the other groups, so
that it is the same on every machine and stays as footage is added. Only where that would leave a
split with less than half or more than twice its share do the groups' sizes decide.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from functools import partial


def draw(
    sizes: Mapping[str, int], shares: Mapping[str, float], *, force: bool = False
) -> dict[str, str] | None:
    """The split of each group that is drawn; those not in it are left for training.

    Args:
        sizes: clips of each group.
        shares: of the clips, 0 to 1, for each split; together at most 1.
        force: give each split at least its smallest group, whatever its share, where at least
            ``2 * len(shares) + 1`` groups leave most of them for training.

    Returns:
        None if the groups are too few or too unequal: a split would have none of at most twice its
        share. Never None with ``force``.
    """
    total, left, free = sum(sizes.values()), dict(sizes), 1.0
    drawn: dict[str, str] = {}
    forced = force and len(sizes) >= 2 * len(shares) + 1
    for split, share in shares.items():
        chance, free = share / max(free, 1e-9), free - share
        place = partial(_place, split)
        order = sorted(left, key=place)
        size, least, most = 0, share * total / 2, 2 * share * total + 1e-6
        chosen = []
        for group in order:
            if size >= least and place(group) >= chance:
                break
            if size + left[group] <= most:
                chosen.append(group)
                size += left[group]
        if not chosen and share > 0:
            if not force:
                return None
            chosen = sorted(order, key=left.__getitem__)[:forced]
        for group in chosen:
            drawn[group] = split
            del left[group]
    return drawn


def _place(split: str, group: str) -> float:
    """From 0 to 1; file systems spell one name in several forms of Unicode."""
    name = unicodedata.normalize("NFC", f"{split}/{group}")
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
