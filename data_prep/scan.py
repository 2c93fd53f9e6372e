"""Scan a source folder for videos, and give each a key, ``speaker/clip``."""

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
from data_prep.readers.corpus_clip import CorpusClip
from lipsync.data.places import is_url
from lipsync.errors import ConfigError
from lipsync.media.files import VIDEO_SUFFIXES

_NUMBERED = re.compile(r"\.\d{3,}$")  # number of a clip within its file
_LONGEST = 180  # bytes per part of a key; the store appends to it, file systems allow 255


@dataclass(frozen=True, slots=True)
class Source:
    """A video file, a span of one, or the folder of a clip in the published layout.

    Attributes:
        folder: the source folder, or its URL.
        file: path relative to the folder.
        name: unique printable name: the path, and the span if there is one.
        list_name: name in split lists: the path without suffix, or the key if there is a span.
        key: key of the prepared clip; empty if the path gives no safe key.
        span: start and end within the file in seconds; None for the whole file.
        about: the corpus's metadata, see :class:`data_prep.readers.corpus_clip.CorpusClip`.
    """

    folder: str | Path
    file: str
    name: str
    list_name: str
    key: str
    span: tuple[float, float] | None = None
    about: dict[str, Any] | None = None

    def stamp(self, version: str) -> str:
        """Version of the clip: changes with the file's ``version``, the span and the metadata."""
        if self.span is None and not self.about:
            return version
        text = json.dumps([version, self.span, self.about])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def path(self) -> Path:
        """Path of the file, if it is local."""
        return Path(self.folder, self.file)


def scan(folder: str | Path, reader: str | None = None) -> list[Source]:
    """Find all videos below ``folder``, sorted by name; hidden files are ignored.

    ``<speaker>/<clip>.<ext>`` gets the key ``speaker/clip``; deeper folders stay in the key; the
    speaker of a file directly in ``folder`` is the folder's name. LRS2, LRS3 and VoxCeleb2 are
    recognised by their folders, see :mod:`data_prep.corpora`; a folder with ``0.jpg`` and
    ``audio.wav`` is an already prepared clip. A key keeps the file's suffix where it would
    otherwise equal another key, be a folder of another key, or look like a numbered clip of another
    file. If a ``reader`` is given, it finds the clips instead, see :mod:`data_prep.readers`.

    Raises:
        ConfigError: no such folder, no video in it, or raised by the reader.
    """
    folder = Path(folder)
    if folder.is_file():
        raise ConfigError(f"source={folder}: is a file; name its folder, source={folder.parent}")
    if not folder.is_dir():
        raise ConfigError(f"source={folder}: no such folder")
    videos = _walk(folder)
    if reader is not None:
        clips = read(reader, folder, list(map(PurePath, videos)))
        return [_to_source(folder, clip) for clip in clips]
    return make_sources(folder, videos)


def _to_source(folder: Path, clip: CorpusClip) -> Source:
    """Convert a reader's clip to a source."""
    name, key = _printable(str(clip.file)), _safe_key(list(clip.key))
    if clip.span is None:
        list_name = _printable(str(clip.file.with_suffix("")))
    else:
        name, list_name = "{}#t={:.10g},{:.10g}".format(name, *clip.span), key
    return Source(folder, str(clip.file), name, list_name, key, clip.span, clip.about)


def make_sources(folder: str | Path, files: Iterable[str]) -> list[Source]:
    """Make sources of files below a folder, see :func:`scan`.

    ``files`` are strings, as there may be millions.

    Raises:
        ConfigError: there are no files.
    """
    names = sorted(files)
    if not names:
        raise ConfigError(
            f"source={folder}: contains no video; expected <speaker>/<clip>.mp4 (or another of "
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
    folders = {folder for key in keys for folder in _parent_keys(key)}
    for file, stem, key in zip(names, stems, keys, strict=True):
        base = _NUMBERED.sub("", key)
        if key in taken or key in folders or (base != key and base in all_keys):
            key = key_of(file)
        taken.add(key)
        list_name = _printable(stem)
        key = list_name if key == list_name else key  # shares equal strings, to save memory
        found.append(Source(folder, file, _printable(file), list_name, key))
    return found


def _parent_keys(key: str) -> Iterator[str]:
    """Yield the parent folders of a key, innermost first."""
    while key := key.rpartition("/")[0]:
        yield key


def _walk(folder: Path) -> list[str]:
    """Relative paths of videos and prepared clips; follows links, visiting each folder once."""
    names, visited = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if "0.jpg" in files and "audio.wav" in files and Path(here) != folder:
            names.append(str(Path(here).relative_to(folder)))  # clip in the published layout
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
    """Whether a relative path has the suffix of a video, and is neither hidden nor in filelists."""
    hidden = any(part.startswith(".") for part in name.parts[:-1]) or name.name.startswith("._")
    return name.suffix.lower() in VIDEO_SUFFIXES and not hidden and name.parts[0] != LISTS


def _safe_key(parts: list[str]) -> str:
    """Join ``parts`` to a safe key: one printable line, each part cut to 180 bytes.

    A part that has to be changed gets a hash of the original appended, to avoid collisions. Returns
    '' if a part is empty, ``.`` or ``..``, or the first is ``filelists``.
    """
    if any(part in ("..", ".", "") for part in parts) or parts[0].lower() == LISTS:
        return ""
    return "/".join(map(_safe_part, parts))


def _safe_part(part: str) -> str:
    raw = os.fsencode(part)
    # control characters, line breaks and undecodable bytes would break lists of one key per line
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
