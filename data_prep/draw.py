"""Draw splits by groups of clips, of one speaker or video each, using a hash of the group's name.

A group's split depends only on its own name, not on a random generator or on the other groups, so
it is the same on every machine and stays the same as footage is added. Group sizes matter only
where a split would otherwise get less than half or more than twice its share.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from functools import partial


def draw(
    sizes: Mapping[str, int], shares: Mapping[str, float], *, force: bool = False
) -> dict[str, str] | None:
    """Draw the split of each group; groups missing from the result are left for training.

    Args:
        sizes: number of clips in each group.
        shares: share of the clips for each split, in [0, 1]; their sum is at most 1.
        force: give a split that would be empty the smallest group left, whatever its size, if there
            are at least ``2 * len(shares) + 1`` groups, so that most remain for training.

    Returns:
        Split by group. None if a split would be empty, because there are no groups left or each is
        larger than twice its share; never None with ``force``.
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
    """Position in [0, 1); names are normalised, as file systems use different Unicode forms."""
    name = unicodedata.normalize("NFC", f"{split}/{group}")
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
