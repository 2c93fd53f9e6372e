"""Split lists of a prepared set: the source's own, or drawn."""

from __future__ import annotations

import hashlib
from pathlib import Path

from data_prep.scan import LISTS
from lipsync.data.store import write_split


def write_splits(
    source: str | Path, output: str | Path, keys: dict[str, str], shares: dict[str, float]
) -> dict[str, int]:
    """Write ``<output>/filelists/*.txt`` for the clips that were kept.

    Lists in ``<source>/filelists`` are taken over, without the clips that were left out; names in
    them that are no kept clip are dropped, so a hostile line leads nowhere. Otherwise clips are
    drawn by a hash of their key, the same on every machine.

    Args:
        source: the source folder.
        output: the prepared set.
        keys: kept clips, from the name that lists use to the key.
        shares: of the drawn splits, such as ``{"val": 0.05, "test": 0.05}``; the rest is ``train``.

    Returns:
        Clips in each split.
    """
    lists = sorted(Path(source, LISTS).glob("*.txt"))
    if lists:
        splits = {path.stem: _listed(path, keys) for path in lists}
    else:
        splits = _drawn(list(keys.values()), shares)
    for name, members in splits.items():
        write_split(output, name, members)
    return {name: len(members) for name, members in splits.items()}


def _listed(path: Path, keys: dict[str, str]) -> list[str]:
    """Keys of a list, whose lines may go on after the name (``name NF:12``), each once."""
    members = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name = line.strip()
        key = keys.get(name) or keys.get(name.split(" ")[0])
        if key:
            members[key] = None
    return list(members)


def _drawn(keys: list[str], shares: dict[str, float]) -> dict[str, list[str]]:
    order = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
    splits: dict[str, list[str]] = {}
    for name, share in shares.items():
        # At least one clip, once there are enough to leave most of them for training.
        count = max(round(share * len(keys)), int(share > 0 and len(keys) >= 2 * len(shares) + 1))
        splits[name], order = sorted(order[:count]), order[count:]
    return {"train": sorted(order), **splits}
