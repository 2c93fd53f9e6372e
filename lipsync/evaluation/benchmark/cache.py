"""What was scored once is not scored again: rows by the content of the files they are of."""

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
    """Rows in ``FOLDER/scores``, one file a piece of work, each written whole.

    Args:
        folder: where they are kept.
        settings: all that numbers depend on beside the files; of others nothing is found.
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
        """The rows of a clip that ``make`` would give, or gave before.

        Where it cannot, a row of each of ``kinds`` says why.

        Args:
            what: which work it is.
            files: what it is done on; another name or place of a file changes nothing.
            name: of the clip.
            kinds: the sets of the rows.
            make: gives a row of each; called where nothing is kept.
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
            write_json(path, rows)
        return [replace(row, set=kind, video=name) for kind, row in zip(kinds, rows, strict=True)]


def _read(path: Path) -> list[Row] | None:
    """None where there are no rows, or the file is damaged."""
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
