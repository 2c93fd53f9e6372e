"""The manifest: one row for each clip, and one with the reason for each rejection."""

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
SURE = ("in place", "moved")  # values of ``Row.sync`` with a reliable offset

REASONS = {
    "bad_name": "the file's name cannot be turned into a valid clip name",
    "unreadable": "the file cannot be opened or is not a video",
    "empty": "the file has no bytes",
    "no_video": "the file has no video stream",
    "no_sound": "the file has no sound stream, or no sample in it",
    "damaged": "some packets cannot be decoded, or the picture breaks in a corpus of single takes",
    "no_face": "no face was found in the shot",
    "face_lost": "no face is visible in the shot for long enough",
    "too_short": "fewer frames or mel columns than the minimum",
    "no_landmarks": "the framing needs landmarks, and ready-made crops have none",
    "small": "the face has too few pixels",
    "out_of_frame": "too much of the face's surroundings lies outside the picture",
    "turned": "the face is turned away",
    "blurred": "the face is out of focus, smeared or enlarged from too few pixels",
    "silent": "the sound is silent",
    "other_face": "another face in the same shot is the speaker",
    "unsure": "the judge cannot confirm that this mouth speaks this sound",
    "off_sync": "the sound is off by more than the correction limit",
    "duplicate": "the same pictures and sound as another clip",
    "failed": "the program failed on this file; the next run tries again",
}


class Rejected(Exception):
    """Raised to reject a file; ``reason`` is a key of :data:`REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Row:
    """Outcome of one clip, or of a file or shot without clips.

    Attributes:
        key: ``speaker/clip``; the file's key if there is no clip; empty if its name is invalid.
        source: path relative to the source folder.
        status: ``kept`` or ``rejected``.
        reason: a key of :data:`REASONS`, empty for a kept clip.
        detail: one line that explains the reason, with numbers.
        start: first frame in the source, at 25 fps.
        frames: number of frames at 25 fps. seconds: length of their sound.
        face_size, sharpness, turn, outside, level: quality measures, whose limits are in
            :class:`data_prep.options.Options`.
        offset, confidence: result of the sync check; None if not checked. fine_offset: the offset
            at sub-frame resolution; sound is shifted by whole frames only.
        judge: name of the judge; empty if not checked. sync: outcome of the check for a kept clip:
            ``in place``, ``moved``, ``unsure``, ``too short to check`` or ``without landmarks to
            check``; empty without a check.
        hash: SHA-256 of the source file. content: SHA-256 of the clip's pixels and sound.
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
    """Encode a row as a line of the manifest."""
    return json.dumps({name: getattr(row, name) for name in _NAMES}, ensure_ascii=False) + "\n"


def as_row(line: str | bytes) -> Row:
    """Decode a line of the manifest.

    Raises:
        ValueError, TypeError: the line is invalid, or from another version.
    """
    return Row(**json.loads(line))


def manifest_path(output: str | Path) -> Path:
    return Path(output) / "manifest.jsonl"


def write_manifest(output: str | Path, rows: Iterable[Row]) -> None:
    """Write the manifest atomically; rows are streamed."""
    path = manifest_path(output)
    making = path.with_suffix(".tmp")
    with making.open("w", encoding="utf-8") as file:
        file.writelines(map(as_line, rows))
    making.replace(path)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file atomically; the next run overwrites the leftovers of a killed one."""
    making = path.with_suffix(".tmp")
    making.write_bytes(content.encode() if isinstance(content, str) else content)
    making.replace(path)


def read_manifest(output: str | Path) -> Iterator[Row]:
    """Yield the rows of a prepared set; stops early at a line that is not of this version."""
    try:
        if is_url(output):
            yield from map(as_row, Place(output).read("manifest.jsonl").splitlines())
            return
        with manifest_path(output).open(encoding="utf-8", newline="\n") as file:
            yield from map(as_row, file)
    except (OSError, ValueError, TypeError):
        return


class Rows:
    """The rows of many sources, kept on disk, as millions would not fit in a small memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._sources: list[str] = []
        self._places = array("Q")
        self._contents = array("Q")

    def __setitem__(self, source: str, rows: Sequence[Row]) -> None:
        """Store the rows of a source, in order of time; replaces its earlier ones."""
        data = "".join(map(as_line, rows)).encode()
        self._sources.append(source)
        self._places.append(self._file.seek(0, 2))
        self._file.write(len(data).to_bytes(8) + data)
        self._contents.extend(_content(row) for row in rows if row.status == KEPT)

    def __iter__(self) -> Iterator[Row]:
        """Yield all rows, sorted by source and time; repeats of kept clips become ``duplicate``."""
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
                continue  # replaced by later rows
            self._file.seek(self._places[number])
            length = int.from_bytes(self._file.read(8))
            yield from map(as_row, self._file.read(length).splitlines())


def _content(row: Row) -> int:
    return int(row.content[:16] or "0", 16)
