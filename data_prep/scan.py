"""Which files a source folder holds, and the key that each gets: ``speaker/clip``."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from lipsync.errors import ConfigError

_SUFFIXES = "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split(" "))
LISTS = "filelists"
_LONGEST = 180  # bytes of one part of a key; the store adds to it, and file systems stop at 255


@dataclass(frozen=True)
class Source:
    """One video file.

    Attributes:
        path: where it is.
        name: its path below the source folder, fit for print.
        listed: how split lists call it: ``name`` without the suffix.
        key: what the prepared clip is called; empty if no safe name can be made of ``name``.
    """

    path: Path
    name: str
    listed: str
    key: str


def scan(folder: str | Path) -> list[Source]:
    """All videos below ``folder``, sorted by name; hidden files are left out.

    ``<speaker>/<clip>.<ext>`` becomes ``speaker/clip``, deeper folders stay in the key, and a file
    that lies in ``folder`` itself gets the folder's name as speaker. Two files of one name but
    different suffixes keep theirs.

    Raises:
        ConfigError: if there is no such folder, or no video in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"source={folder}: no such folder")
    names = sorted(_walk(folder))
    if not names:
        raise ConfigError(
            f"source={folder}: holds no video; expected <speaker>/<clip>.mp4 (or another of "
            f"{len(VIDEO_SUFFIXES)} suffixes)"
        )
    found, taken = [], set()
    for name in names:
        stem = name.with_suffix("")
        parts = list(stem.parts)
        if len(parts) == 1:
            parts.insert(0, folder.resolve().name or "clips")
        key = _safe_key(parts)
        if key in taken:
            key = _safe_key([*parts[:-1], name.name])
        taken.add(key)
        found.append(Source(folder / name, _printable(name), _printable(stem), key))
    return found


def _walk(folder: Path) -> list[Path]:
    """Relative paths of videos; links to folders are followed, once each."""
    names, visited = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [f for f in folders if not f.startswith(".") and f != LISTS]
        for file in files:
            path = Path(here, file)
            if path.suffix.lower() in VIDEO_SUFFIXES and not file.startswith("._"):
                names.append(path.relative_to(folder))
    return names


def _safe_key(parts: list[str]) -> str:
    """``parts`` joined to a key that is one printable line of at most 180 bytes a part, or ''.

    A part that had to be changed ends in a hash of what it was, so that two never meet.
    """
    if any(part in ("..", ".", "") for part in parts) or parts[0].lower() == LISTS:
        return ""
    return "/".join(map(_safe_part, parts))


def _safe_part(part: str) -> str:
    raw = os.fsencode(part)
    # Control characters, line ends and bytes that are no text would break lists of one key a line.
    safe = "".join("_" if unicodedata.category(c)[0] in "CZ" and c != " " else c for c in part)
    safe = safe.strip().replace("\\", "_")
    while len(safe.encode()) > _LONGEST:
        safe = safe[:-1]
    if safe.startswith("."):
        safe = "_" + safe[1:]
    return safe if safe == part else f"{safe}-{hashlib.sha256(raw).hexdigest()[:8]}"


def _printable(path: Path) -> str:
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
