"""Cached results of the stages for one source file, a JSON file per stage.

::

    <output>/.state/<speaker>/<clip>/source.json   size, modification time and hash of the file
                                     probe.json    frame rate, picture size and length
                                     look.json     frame differences, and faces every few frames
                                     pieces.json   candidate clips and their quality
                                     mouths.json   correlation of mouth motion and loudness
                                     sync.json     offset and confidence of each candidate
                                     clips.json    manifest rows, the outcome of each candidate
                                     clips.jpg     thumbnail of each row, in a grid

Each records a fingerprint of what it was made from. A killed run therefore resumes after the last
complete stage, and changed options repeat only the stages that they affect. Files are written
atomically under fixed names, so that no run leaves partial files behind.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data_prep.manifest import write_atomically
from data_prep.options import STAGES
from lipsync.data.store import clip_path
from lipsync.faces.crops import crop

FOLDER = ".state"
PICTURE = 96  # side of a thumbnail, pixels
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]
_PER_ROW = 600  # pictures per row; a JPEG is at most 65,535 pixels wide


class State:
    """Cached results of one source.

    Args:
        output: folder of the prepared set.
        key: the source's key.
    """

    def __init__(self, output: Path, key: str) -> None:
        self._folder = clip_path(output / FOLDER, key)

    def get(self, stage: str, fingerprint: str) -> Any:
        """A stage's cached result; None if it was made with another fingerprint."""
        found = self._read(stage)
        return found["value"] if found.get("from") == fingerprint else None

    def put(self, stage: str, fingerprint: str, value: Any) -> None:
        """Cache a stage's result; ``value`` is JSON and not None."""
        self._write(stage, {"from": fingerprint, "value": value})

    def latest(self, stage: str) -> Any:
        """A stage's cached result, whatever its fingerprint; None if there is none."""
        return self._read(stage).get("value")

    def forget(self, stage: str) -> None:
        """Invalidate the results of this stage and all later ones."""
        names = list(STAGES)
        for name in names[names.index(stage) :]:
            if (value := self.latest(name)) is not None:
                self.put(name, "", value)  # keep the value, which lists the clips on disk

    def digest(self, path: Path) -> str:
        """SHA-256 of the source, cached until the file changes; '' if it cannot be read."""
        if (known := self.cached_digest(path)) is not None:
            return known
        try:
            digest = _hash(path)
        except OSError:
            return ""
        self._write("source", {**_stat(path), "hash": digest})
        return digest

    def cached_digest(self, path: Path) -> str | None:
        """The cached digest; None if there is none or the file has changed since."""
        known = self._read("source")
        try:
            same = known.items() >= _stat(path).items()
        except OSError:
            return None
        return known.get("hash") if same else None

    def put_pictures(self, pictures: list[np.ndarray]) -> None:
        """Store thumbnails, RGB uint8 (96, 96, 3), one per row of ``clips``; or none at all."""
        if not pictures:
            (self._folder / "clips.jpg").unlink(missing_ok=True)
            return
        rows = [pictures[i : i + _PER_ROW] for i in range(0, len(pictures), _PER_ROW)]
        sheet = np.zeros((len(rows) * PICTURE, len(rows[0]) * PICTURE, 3), np.uint8)
        for y, row in enumerate(rows):
            sheet[y * PICTURE : (y + 1) * PICTURE, : len(row) * PICTURE] = np.hstack(row)
        data = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), _QUALITY)[1]
        write_atomically(self._folder / "clips.jpg", data.tobytes())

    def pictures(self) -> bytes:
        """JPEG with the thumbnails of all rows, for :func:`picture_in`; empty if there is none."""
        try:
            return (self._folder / "clips.jpg").read_bytes()
        except OSError:
            return b""

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, value: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(value, ensure_ascii=False) + "\n"
        write_atomically(self._folder / f"{name}.json", text)


def picture_in(pictures: bytes, index: int) -> np.ndarray | None:
    """Thumbnail of row ``index``, RGB uint8 (96, 96, 3); None if it has none."""
    data = np.frombuffer(pictures, np.uint8)
    sheet = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if sheet is None:
        return None
    y, x = (place * PICTURE for place in divmod(index, _PER_ROW))
    part = sheet[y : y + PICTURE, x : x + PICTURE]
    return part if part.shape == (PICTURE, PICTURE, 3) else None


def file_version(path: Path) -> str:
    """A file's size and modification time, as text; '' if it cannot be read."""
    try:
        return " ".join(map(str, _stat(path).values()))
    except OSError:
        return ""


def _stat(path: Path) -> dict[str, int]:
    stats = [file.stat() for file in _files(path)]
    return {"size": sum(s.st_size for s in stats), "mtime_ns": max(s.st_mtime_ns for s in stats)}


def _hash(path: Path) -> str:
    if path.is_dir():
        parts = (f"{file.name!a} {_hash(file)}\n" for file in _files(path))
        return hashlib.sha256("".join(parts).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(path: Path) -> list[Path]:
    """The file itself, or the contents of a clip's folder."""
    return sorted(path.iterdir()) if path.is_dir() else [path]


def thumbnail(frame: np.ndarray, box: list[float] | None) -> np.ndarray:
    """Thumbnail, uint8 (96, 96, 3): the face and its surroundings; without a box, the frame."""
    height, width = frame.shape[:2]
    if box is None:
        side, middle = max(width, height), np.array([width, height]) / 2
    else:
        low, high = np.array(box[:2]), np.array(box[2:])
        side, middle = 1.6 * max(high - low), (low + high) / 2
    return crop(frame, np.concatenate([middle - side / 2, middle + side / 2]), PICTURE)
