"""Check that the splits of a set do not overlap."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from lipsync.data.leave_out import speaker_of
from lipsync.errors import ConfigError

log = logging.getLogger(__name__)


def check_disjoint(splits: Mapping[str, Sequence[str]], root: str | Path) -> None:
    """Refuse splits that share clips, and log how many speakers each shares with ``train``.

    Args:
        splits: split -> keys, ``speaker/clip``; includes ``train``.
        root: root of the set, for messages.

    Raises:
        ConfigError: two splits share clips; names the splits, the number of clips and the first.
    """
    for (first, a), (second, b) in combinations(splits.items(), 2):
        if shared := sorted(set(a) & set(b)):
            raise ConfigError(
                f"{root}: {len(shared)} clips are listed in both {first} and {second}, the first "
                f"is {shared[0]}; take them out of one"
            )
    people = {split: set(map(speaker_of, keys)) for split, keys in splits.items()}
    known = people.pop("train", set())
    parts = [f"train {len(known)}"]
    parts += [f"{split} {len(p)}, {len(p & known)} of them in train" for split, p in people.items()]
    log.info("speakers: %s", "; ".join(parts))
