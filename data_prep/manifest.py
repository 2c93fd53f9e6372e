"""The manifest: one row for every source file, kept or rejected, and why.

While a run goes on its rows are appended to a journal, so that a run that was killed goes on where
it stopped; at the end they are sorted into ``manifest.jsonl``, which is the same however often the
run was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT, REJECTED = "kept", "rejected"

REASONS = {
    "bad_name": "no safe name for a clip can be made of the file's name",
    "unreadable": "the file cannot be opened or is no video",
    "empty": "the file has no bytes",
    "no_video": "the file has no video stream",
    "no_sound": "the file has no sound stream, or no sample in it",
    "damaged": "some packets cannot be decoded",
    "too_short": "fewer frames or mel columns than a window needs",
    "no_face": "no face was found in any frame",
    "face_lost": "the face is missing from too many frames",
    "failed": "the program failed on this file; it is tried again by the next run",
}


@dataclass(frozen=True)
class Row:
    """What became of one source file.

    Attributes:
        key: ``speaker/clip``; empty for a bad name.
        source: path below the source folder.
        status: ``kept`` or ``rejected``.
        reason: a key of :data:`REASONS`, empty for a kept clip.
        detail: one line on the reason, with its numbers.
        frames: at 25 fps. seconds: of the sound that goes with them.
        face_share: part of the frames in which the face was found, in [0, 1].
        face_size: median height of the detector's box, in pixels of the source.
        hash: SHA-256 of the source file.
        options: those that shaped the clip.
    """

    key: str
    source: str
    status: str
    reason: str = ""
    detail: str = ""
    frames: int = 0
    seconds: float = 0.0
    face_share: float = 0.0
    face_size: float = 0.0
    hash: str = ""
    options: str = ""


class Manifest:
    """Rows on disk, by source name.

    Args:
        output: folder of the prepared set.
    """

    def __init__(self, output: str | Path) -> None:
        self.path = Path(output) / "manifest.jsonl"
        self._journal = self.path.with_suffix(".journal")
        self.rows = {row.source: row for row in (*_read(self.path), *_read(self._journal))}

    def add(self, row: Row) -> None:
        """Keep a row, at once on disk."""
        self.rows[row.source] = row
        with self._journal.open("a", encoding="utf-8") as file:
            file.write("\n" + _line(row))  # a line that a killed run left half ends here

    def finish(self, sources: Iterable[str]) -> list[Row]:
        """Write the manifest of these sources, sorted, and drop the journal; returns its rows."""
        rows = [self.rows[source] for source in sorted(sources)]
        making = self.path.with_suffix(".tmp")
        making.write_text("".join(map(_line, rows)), encoding="utf-8")
        making.replace(self.path)
        self._journal.unlink(missing_ok=True)
        return rows


def _line(row: Row) -> str:
    return json.dumps(asdict(row), ensure_ascii=False) + "\n"


def _read(path: Path) -> list[Row]:
    """Rows of a file that may be absent, end in half a line, or be of another version."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return rows
