"""Split lists of a prepared set: the source's own, or drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.corpora import official_splits
from lipsync.data.store import write_split
from lipsync.errors import ConfigError


def check_splits(wanted: Any) -> None:
    """Refuse before any work what :func:`write_splits` could not draw.

    Raises:
        ConfigError: a split is neither a share of the files nor a list of speakers.
    """
    if not isinstance(wanted, Mapping):
        raise ConfigError(f"splits must be shares and lists of speakers by name, got {wanted!r}")
    for name, value in wanted.items():
        share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        if not share and not isinstance(value, list | tuple):
            raise ConfigError(
                f"splits.{name}: must be a share from 0 to 1, or a list of speakers, got {value!r}"
            )


def write_splits(
    source: str | Path,
    output: str | Path,
    keys: Mapping[str, list[str]],
    wanted: Mapping[str, float | Sequence[str]],
) -> dict[str, int]:
    """Write ``<output>/filelists/*.txt`` for the clips that were kept.

    The source's own lists are taken over, without the clips that were left out; names in them that
    are no kept clip are dropped, so a hostile line leads nowhere. Otherwise files are drawn by a
    hash of their name, the same on every machine; all clips of a file go together.

    Args:
        source: the source folder.
        output: the prepared set.
        keys: kept clips of each file, from the name that lists use to the keys.
        wanted: the drawn splits: a share of the files, such as ``{"val": 0.05}``, or the speakers
            that it holds, such as ``{"test": ["s1", "s2"]}``; the rest is ``train``.

    Returns:
        Clips in each split.

    Raises:
        ConfigError: a speaker that has no clip.
    """
    val = wanted.get("val", 0.05)
    lists = official_splits(source, keys, val if isinstance(val, int | float) else 0.05)
    if lists is not None:
        splits = {split: _listed(names, keys) for split, names in lists.items()}
    else:
        splits = _drawn({name: found for name, found in keys.items() if found}, wanted)
    for name, members in splits.items():
        write_split(output, name, members)
    return {name: len(members) for name, members in splits.items()}


def _listed(names: Sequence[str], keys: Mapping[str, list[str]]) -> list[str]:
    """Keys of a list, whose lines may go on after the name (``name NF:12``), each once."""
    members: dict[str, None] = {}
    for name in names:
        found = keys[name] if name in keys else keys.get(name.split(" ")[0], [])
        members.update(dict.fromkeys(found))
    return list(members)


def _drawn(
    keys: Mapping[str, list[str]], wanted: Mapping[str, float | Sequence[str]]
) -> dict[str, list[str]]:
    order = sorted(keys, key=lambda name: hashlib.sha256(name.encode()).digest())
    shares = {split: share for split, share in wanted.items() if isinstance(share, int | float)}
    splits: dict[str, list[str]] = {}
    for split, speakers in wanted.items():
        if split not in shares:
            named = set(map(str, speakers))
            splits[split] = [name for name in order if _speaker(keys[name]) in named]
            if missing := sorted(named - {_speaker(keys[n]) for n in splits[split]}):
                raise ConfigError(f"splits.{split}: there is no clip of {', '.join(missing)}")
            order = [name for name in order if name not in set(splits[split])]
    total = len(order)
    for split, share in shares.items():
        # At least one file, once there are enough to leave most of them for training.
        count = max(round(share * total), int(share > 0 and total >= 2 * len(shares) + 1))
        splits[split], order = order[:count], order[count:]
    members = {"train": order, **{split: splits[split] for split in wanted}}
    return {
        split: sorted(key for name in names for key in keys[name])
        for split, names in members.items()
    }


def _speaker(keys: list[str]) -> str:
    return keys[0].split("/")[0]
