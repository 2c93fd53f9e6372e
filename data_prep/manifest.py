"""The manifest: one row for every clip, and for all that was left out, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT, REJECTED = "kept", "rejected"

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


@dataclass(frozen=True)
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
    hash: str = ""
    content: str = ""


def manifest_path(output: str | Path) -> Path:
    return Path(output) / "manifest.jsonl"


def write_manifest(output: str | Path, rows: Iterable[Row]) -> None:
    """Write the rows, whole or not at all."""
    lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    write_whole(manifest_path(output), "".join(lines))


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; what a killed run leaves, the next one overwrites."""
    making = path.with_suffix(".tmp")
    making.write_bytes(content.encode() if isinstance(content, str) else content)
    making.replace(path)


def read_manifest(output: str | Path) -> list[Row]:
    """The rows of a prepared set; none if it has no manifest of this version."""
    try:
        lines = manifest_path(output).read_text(encoding="utf-8").split("\n")
        return [Row(**json.loads(line)) for line in lines if line]
    except (OSError, ValueError, TypeError):
        return []
