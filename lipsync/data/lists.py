"""Split lists: one ``speaker/clip`` per line."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from lipsync.errors import ConfigError

_REMARKS = re.compile(r"( +[A-Z]+:\S*)+$")


def parse_split(path: str | Path, text: str | None) -> list[str]:
    """Parse the keys in a split list.

    Annotations after a key, as in published lists (``key NF:12 MV:3``), are ignored.

    Args:
        path: path of the list, for messages.
        text: contents of the list; None if it does not exist.

    Raises:
        ConfigError: the list is missing or empty.
    """
    if text is None:
        raise ConfigError(
            f"{path}: no such split list; prepare the data with `python -m data_prep`"
        )
    keys = [_REMARKS.sub("", line) for line in map(str.strip, text.splitlines()) if line]
    if not keys:
        split = PurePath(path).stem
        assign = f", or assign speakers to it, splits.{split}=[NAME]" if split != "train" else ""
        raise ConfigError(
            f"{path}: the split list is empty; a run needs at least one clip in it: prepare the "
            f"data with more videos{assign}"
        )
    return keys
