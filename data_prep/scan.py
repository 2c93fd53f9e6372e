"""Which files a source folder holds, and the key that each gets: ``speaker/clip``."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from data_prep.corpora import LISTS, is_lrs, is_voxceleb, lrs_parts
from data_prep.readers import read
from data_prep.readers.found import Found
from lipsync.data.places import is_url
from lipsync.errors import ConfigError

_SUFFIXES = "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split(" "))
_NUMBERED = re.compile(r"\.\d{3,}$")  # what the clips of one file are told apart by
_LONGEST = 180  # bytes of one part of a key; the store adds to it, and file systems stop at 255


@dataclass(frozen=True, slots=True)
class Source:
    """One video file, or a clip's folder in the published layout.

    Attributes:
        folder: the source folder, or its URL.
        file: its path below that.
        name: the same, fit for print.
        listed: how split lists call it: ``name`` without the suffix.
        key: what the prepared clip is called; empty if no safe name can be made of ``name``.
        span: seconds of the file in which it lies; None for all of it.
        about: what a corpus says of it, see :class:`data_prep.readers.found.Found`.
    """

    folder: str | Path
    file: str
    name: str
    listed: str
    key: str
    span: tuple[float, float] | None = None
    about: dict[str, Any] | None = None

    def stamp(self, version: str) -> str:
        """What changes when the clip does, of what changes when the file does."""
        if self.span is None and not self.about:
            return version
        text = json.dumps([version, self.span, self.about])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def path(self) -> Path:
        """Where it is, if on a disk."""
        return Path(self.folder, self.file)


def scan(folder: str | Path, reader: str | None = None) -> list[Source]:
    """All videos below ``folder``, sorted by name; hidden files are left out.

    ``<speaker>/<clip>.<ext>`` becomes ``speaker/clip``, deeper folders stay in the key, and a file
    that lies in ``folder`` itself gets the folder's name as speaker. LRS2, LRS3 and VoxCeleb2 are
    recognised by their folders, see :mod:`data_prep.corpora`; a folder with ``0.jpg`` and
    ``audio.wav`` is a clip that others prepared. Where two keys would be the same, or one clip lie
    in the folder of another or be called as one of its clips, the file's suffix stays in the key.
    A ``reader`` knows more of a corpus, see :mod:`data_prep.readers`.

    Raises:
        ConfigError: if there is no such folder, or no video in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"source={folder}: no such folder")
    videos = _walk(folder)
    if reader is not None:
        return [_read(folder, one) for one in read(reader, folder, list(map(PurePath, videos)))]
    return named(folder, videos)


def _read(folder: Path, found: Found) -> Source:
    """The source that a reader has found."""
    name, key = _printable(str(found.file)), _safe_key(list(found.key))
    if found.span is None:
        listed = _printable(str(found.file.with_suffix("")))
    else:
        name, listed = "{}#t={:.10g},{:.10g}".format(name, *found.span), key
    return Source(folder, str(found.file), name, listed, key, found.span, found.about)


def named(folder: str | Path, files: Iterable[str]) -> list[Source]:
    """The sources that files below a folder are, see :func:`scan`; texts, as there are millions."""
    names = sorted(files)
    if not names:
        raise ConfigError(
            f"source={folder}: holds no video; expected <speaker>/<clip>.mp4 (or another of "
            f"{len(VIDEO_SUFFIXES)} suffixes)"
        )
    speaker = (Path(folder).name if is_url(folder) else Path(folder).resolve().name) or "clips"
    lrs, voxceleb = is_lrs(names), is_voxceleb(names)

    def key_of(name: str) -> str:
        parts = name.split("/")
        if lrs:
            parts = lrs_parts(parts)
        elif voxceleb:
            parts = parts[-3:]
        return _safe_key(parts if len(parts) > 1 else [speaker, *parts])

    clips = set() if is_url(folder) else {n for n in names if Path(folder, n).is_dir()}
    stems = [name if name in clips else name.rpartition(".")[0] for name in names]
    keys = [key_of(stem) for stem in stems]
    all_keys, taken, found = set(keys), set(), []
    folders = {folder for key in keys for folder in _above(key)}
    for file, stem, key in zip(names, stems, keys, strict=True):
        base = _NUMBERED.sub("", key)
        if key in taken or key in folders or (base != key and base in all_keys):
            key = key_of(file)
        taken.add(key)
        listed = _printable(stem)
        # what is the same is not twice in memory
        found.append(
            Source(folder, file, _printable(file), listed, listed if key == listed else key)
        )
    return found


def _above(key: str) -> Iterator[str]:
    """The folders in which a key lies."""
    while key := key.rpartition("/")[0]:
        yield key


def _walk(folder: Path) -> list[str]:
    """Relative paths of videos and clips; links to folders are followed, once each."""
    names, visited = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if "0.jpg" in files and "audio.wav" in files and Path(here) != folder:
            names.append(str(Path(here).relative_to(folder)))  # a clip in the published layout
            folders.clear()
            continue
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [f for f in folders if not f.startswith(".") and f != LISTS]
        for file in files:
            path = Path(here, file).relative_to(folder)
            if is_video(path):
                names.append(str(path))
    return names


def is_video(name: PurePath) -> bool:
    """Whether a file below the source folder is a video by its name, and none that is hidden."""
    hidden = any(part.startswith(".") for part in name.parts[:-1]) or name.name.startswith("._")
    return name.suffix.lower() in VIDEO_SUFFIXES and not hidden and name.parts[0] != LISTS


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


def _printable(path: str) -> str:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return path if shown == path else shown
