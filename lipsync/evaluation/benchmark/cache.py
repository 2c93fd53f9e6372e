"""A cache of scores, keyed by the content of the scored files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from lipsync.checkpoints.files import sha256
from lipsync.errors import LipsyncError
from lipsync.evaluation.rows import Row, problem_of
from lipsync.evaluation.text import write_json


class ScoreCache:
    """Rows in ``FOLDER/scores``, one file per scoring job, each written atomically.

    Args:
        folder: the benchmark's output folder.
        settings: everything except the files that the numbers depend on; part of the cache key.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder, self.settings = folder / "scores", settings

    def rows(
        self,
        what: str,
        files: Sequence[Path],
        name: str,
        kinds: Sequence[str],
        make: Callable[[], list[Row]],
    ) -> list[Row]:
        """The rows of a clip, from the cache or from ``make``.

        If ``make`` fails, there is one row for each of ``kinds``, with the reason.

        Args:
            what: name of the scoring job.
            files: the files scored; only their content matters, not their names or paths.
            name: name of the clip.
            kinds: the sets of the rows.
            make: returns one row per set; called on a cache miss.
        """
        key = hashlib.sha256(self.settings.encode())
        try:
            parts = [what, *map(digest, files)]
        except OSError as error:
            why = f"{Path(error.filename).name}: cannot be read ({error.strerror})"
            return [Row(kind, name, 0, problem=why) for kind in kinds]
        for part in parts:
            key.update(f"\n{part}".encode())
        path = self.folder / f"{key.hexdigest()[:32]}.json"
        rows = _read(path)
        if rows is None:
            try:
                rows = make()
            except LipsyncError as error:
                rows = [Row(kind, name, 0, problem=problem_of(error)) for kind in kinds]
            if not any(row.problem for row in rows):  # a problem may be gone in the next run
                write_json(path, rows)
        return [replace(row, set=kind, video=name) for kind, row in zip(kinds, rows, strict=True)]


def _read(path: Path) -> list[Row] | None:
    """None if there is no such file, or it is damaged."""
    try:
        return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return None


def digest(path: Path) -> str:
    """The SHA-256 of a file's content."""
    about = path.stat()
    return _content(path, about.st_size, about.st_mtime_ns)


@cache
def _content(path: Path, size: int, changed: int) -> str:
    return sha256(path)
