"""Split lists: a ``speaker/clip`` a line."""

from __future__ import annotations

import re
from pathlib import Path

from lipsync.errors import ConfigError

_REMARKS = re.compile(r"( +[A-Z]+:\S*)+$")


def parse_split(path: str | Path, text: str | None) -> list[str]:
    """The keys in a split list.

    A line may carry more after its key, as published lists do (``key NF:12 MV:3``).

    Args:
        path: of the list, for messages.
        text: what it says; None where there is no such list.

    Raises:
        ConfigError: if the list is missing or empty.
    """
    if text is None:
        raise ConfigError(
            f"{path}: no such split list; prepare the data with `python -m data_prep`"
        )
    keys = [_REMARKS.sub("", line) for line in map(str.strip, text.splitlines()) if line]
    if not keys:
        raise ConfigError(f"{path}: the split list is empty; a run needs at least one clip in it")
    return keys
