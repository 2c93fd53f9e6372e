"""A folder of sound files, one per line, which the user may replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.media import whole_file, write_audio
from lipsync.media.files import naming_target
from lipsync.translation.work import Row, file_digest, load, match, save


@dataclass
class Waves:
    """A folder with one WAV file per line, ``001.wav`` onwards, and an index in ``lines.json``.

    Attributes:
        folder: the folder.
        tie: keys of a row whose values tie a user's own recording to its line.
        made, kept: number of files that the last :meth:`update` made and reused.
        notes: notes for the user.
    """

    folder: Path
    tie: Sequence[str]
    made: int = 0
    kept: int = 0
    notes: list[str] = field(default_factory=list)

    def update(
        self,
        wanted: Sequence[Row | None],
        make: Callable[[int], tuple[np.ndarray, int]],
        progress: Callable[[int, int], None],
    ) -> list[Path | None]:
        """Bring the folder up to date, and return each line's file, ``None`` for a silent line.

        Args:
            wanted: what each line is made from, plain values; ``None`` for a silent line.
            make: returns the wave and sample rate of line k.
            progress: called with lines done and lines in total.
        """
        with naming_target(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        rows = self._reuse_files(wanted)
        for number, row in enumerate(wanted):
            if row is not None and rows[number] is None:
                wave, rate = make(number)
                rows[number] = self._write(number, row, wave, rate, rows)
                self.made += 1
            elif row is not None:
                self.kept += 1
            progress(number + 1, len(wanted))
        self._save(rows)
        return [None if row is None else self._path(k) for k, row in enumerate(wanted)]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number + 1:03d}.wav"

    def _reuse_files(self, wanted: Sequence[Row | None]) -> list[Row | None]:
        """Rename every file that is still usable to its line's number, and put the others away."""
        index = self.folder / "lines.json"
        old = load(index, "lines")["lines"] if index.exists() else []
        names = {path.name for path in self.folder.glob("*.wav")}  # only in this folder
        old = [row for row in old if row.get("file") in names]
        found = match(wanted, old, self._is_edited, self.tie)
        for k, row in enumerate(old):
            if k not in found:
                self._retire(row)
        rows: list[Row | None] = [None] * len(wanted)
        moves: list[tuple[Path, Path]] = []
        for number, k in enumerate(found):
            path = self._path(number)
            if k is not None:
                moves.append((self.folder / old[k]["file"], path))
                rows[number] = old[k] | {"file": path.name}
        _rename_all(moves)
        for number, row in enumerate(wanted):
            path = self._path(number)
            if row is not None and rows[number] is None and path.is_file():  # added by the user
                rows[number] = row | {"file": path.name, "made": ""}
        self._save(rows)
        return rows

    def _is_edited(self, row: Row) -> bool:
        return file_digest(self.folder / row["file"]) != row.get("made")

    def _retire(self, row: Row) -> None:
        """Delete a file that belongs to no line, or set it aside if the user has changed it."""
        path = self.folder / row["file"]
        if not self._is_edited(row):
            path.unlink()
            return
        target = self.folder / "set_aside" / path.name
        target.parent.mkdir(exist_ok=True)
        while target.exists():
            target = target.with_stem(f"{target.stem}_")
        path.rename(target)
        self.notes.append(
            f"{path} was edited by hand, but its line has changed since; it is kept as {target}"
        )

    def _write(
        self, number: int, row: Row, wave: np.ndarray, rate: int, rows: list[Row | None]
    ) -> Row:
        """Write the index before the file: a file without a row would count as the user's own."""
        path = self._path(number)
        with whole_file(path) as temporary:
            write_audio(temporary, wave, rate)
            rows[number] = row | {"file": path.name, "made": file_digest(temporary)}
            self._save(rows)
        return rows[number]

    def _save(self, rows: Sequence[Mapping[str, Any] | None]) -> None:
        save(self.folder / "lines.json", {}, "lines", [dict(row) for row in rows if row])


def _rename_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename files, where new names may still be in use by others among them."""
    shifted = [(old, new) for old, new in moves if old != new]
    for old, _ in shifted:
        old.rename(old.with_name(f".{old.name}"))
    for old, new in shifted:
        old.with_name(f".{old.name}").replace(new)
