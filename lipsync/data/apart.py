"""Are the clips and speakers of a set's splits apart?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from lipsync.data.leave_out import speaker_of
from lipsync.errors import ConfigError

log = logging.getLogger(__name__)


def check_apart(splits: Mapping[str, Sequence[str]], root: str | Path) -> None:
    """Log how many speakers of each split are in ``train`` too.

    Args:
        splits: the keys of each, ``speaker/clip``; ``train`` among them.
        root: of the set, for messages.

    Raises:
        ConfigError: a clip is in two splits; names the splits, the first clip and their number.
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
