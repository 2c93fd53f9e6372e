"""The manifest: one row for every clip, and for all that was left out, and why."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from lipsync.data.places import Place, is_url

KEPT, REJECTED = "kept", "rejected"
SURE = ("in place", "moved")  # of a row's ``sync``

REASONS = {
    "bad_name": "the file's name cannot be turned into a valid clip name",
    "unreadable": "the file cannot be opened or is not a video",
    "empty": "the file has no bytes",
    "no_video": "the file has no video stream",
    "no_sound": "the file has no sound stream, or no sample in it",
    "damaged": "some packets cannot be decoded, or the picture breaks in a corpus of single takes",
    "no_face": "no face was found in the shot",
    "face_lost": "no face stays in the shot long enough",
    "too_short": "fewer frames or mel columns than asked for",
    "no_landmarks": "the framing needs landmarks, and ready-made crops have none",
    "small": "the face has too few pixels",
    "out_of_frame": "too much of the face's surroundings lies outside the picture",
    "turned": "the face is turned away",
    "blurred": "the face is out of focus, smeared or blown up",
    "silent": "the sound is silent",
    "other_face": "another face in the same shot is the speaker",
    "unsure": "the judge cannot confirm that this mouth speaks this sound",
    "off_sync": "the sound is off by more than the correction limit",
    "duplicate": "the same pictures and sound as another clip",
    "failed": "the program failed on this file; the next run tries again",
}


class Rejected(Exception):
    """A file is rejected. ``reason`` is a key of :data:`REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Row:
    """Outcome of one clip, or of a file or shot that gave none.

    Attributes:
        key: ``speaker/clip``; of the file where there is no clip; empty for a bad name.
        source: path below the source folder.
        status: ``kept`` or ``rejected``.
        reason: a key of :data:`REASONS`, empty for a kept clip.
        detail: one line on the reason, with its numbers.
        start: first frame in the source, at 25 fps.
        frames: at 25 fps. seconds: of the sound that goes with them.
        face_size, sharpness, turn, outside, level: see :class:`data_prep.options.Options`.
        offset, confidence: of the sync check; None where there was none. fine_offset: the offset to
            a tenth of a frame, of which sound is moved by the whole ones.
        judge: whose numbers these are. sync: what the check made of a kept clip: ``in place``,
            ``moved``, ``unsure``, ``too short to check`` or ``without landmarks to check``; empty
            without a check.
        hash: SHA-256 of the source file. content: of the clip's pixels and sound.
    """

    key: str
    source: str
    status: str
    reason: str = ""
    detail: str = ""
    start: int = 0
    frames: int = 0
    seconds: float = 0.0
    face_size: float = 0.0
    sharpness: float = 0.0
    turn: float = 0.0
    outside: float = 0.0
    level: float = 0.0
    offset: int | None = None
    fine_offset: float | None = None
    confidence: float | None = None
    judge: str = ""
    sync: str = ""
    hash: str = ""
    content: str = ""


_NAMES = tuple(field.name for field in fields(Row))


def as_line(row: Row) -> str:
    """A row as a line of the manifest."""
    return json.dumps({name: getattr(row, name) for name in _NAMES}, ensure_ascii=False) + "\n"


def as_row(line: str | bytes) -> Row:
    """The inverse of :func:`as_line`.

    Raises:
        ValueError, TypeError: it is none of this version.
    """
    return Row(**json.loads(line))


def manifest_path(output: str | Path) -> Path:
    return Path(output) / "manifest.jsonl"


def write_manifest(output: str | Path, rows: Iterable[Row]) -> None:
    """Write the rows as they come, whole or not at all."""
    path = manifest_path(output)
    making = path.with_suffix(".tmp")
    with making.open("w", encoding="utf-8") as file:
        file.writelines(map(as_line, rows))
    making.replace(path)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; what a killed run leaves, the next one overwrites."""
    making = path.with_suffix(".tmp")
    making.write_bytes(content.encode() if isinstance(content, str) else content)
    making.replace(path)


def read_manifest(output: str | Path) -> Iterator[Row]:
    """The rows of a prepared set, one by one; ends where a line is not of this version."""
    try:
        if is_url(output):
            yield from map(as_row, Place(output).read("manifest.jsonl").splitlines())
            return
        with manifest_path(output).open(encoding="utf-8", newline="\n") as file:
            yield from map(as_row, file)
    except (OSError, ValueError, TypeError):
        return


class Rows:
    """The rows of many sources, on a disk: a million do not fit a small machine's memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._sources: list[str] = []
        self._places = array("Q")
        self._contents = array("Q")

    def __setitem__(self, source: str, rows: Sequence[Row]) -> None:
        """The rows of a source, in order of time; they replace those that it had."""
        data = "".join(map(as_line, rows)).encode()
        self._sources.append(source)
        self._places.append(self._file.seek(0, 2))
        self._file.write(len(data).to_bytes(8) + data)
        self._contents.extend(_content(row) for row in rows if row.status == KEPT)

    def __iter__(self) -> Iterator[Row]:
        """All rows, sorted by source and time; kept clips but the first of a content rejected."""
        values, counts = np.unique(np.array(self._contents, np.uint64), return_counts=True)
        repeated = set(values[counts > 1].tolist())
        first: dict[str, str] = {}
        for row in self._stored():
            if row.status == KEPT and _content(row) in repeated:
                if row.content in first:
                    detail = f"the same as {first[row.content]}"
                    row = replace(row, status=REJECTED, reason="duplicate", detail=detail)
                else:
                    first[row.content] = row.key
            yield row

    def _stored(self) -> Iterator[Row]:
        names = self._sources
        order = array("Q", sorted(range(len(names)), key=names.__getitem__))
        for place, number in enumerate(order):
            if place + 1 < len(order) and names[order[place + 1]] == names[number]:
                continue  # what was put for it last is what it has
            self._file.seek(self._places[number])
            length = int.from_bytes(self._file.read(8))
            yield from map(as_row, self._file.read(length).splitlines())


def _content(row: Row) -> int:
    return int(row.content[:16] or "0", 16)
