"""The output folder of a generator's evaluation, from which an interrupted run resumes.

It holds ``dubbed/``, the dubs; ``pairs/``, a JSON file of rows and the judge's embeddings for every
finished pair; and ``settings.json``, which must match for a run to resume.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.errors import ConfigError
from lipsync.evaluation.lists import Pair
from lipsync.evaluation.rows import GENERATED, Row
from lipsync.evaluation.text import write_json
from lipsync.media import whole_file

FEATURES = (GENERATED, "real")
"""The sets whose embeddings are kept, for a Fréchet distance."""


def dubbed_path(folder: Path, number: int, pair: Pair, ending: str = "") -> Path:
    """Path of a pair's dub."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", pair.name)[:80]
    return folder / "dubbed" / f"{number:05d}_{plain}{ending}.mp4"


class RunFolder:
    """Start or resume a run.

    Args:
        path: the folder; created if missing.
        settings: everything that the numbers depend on, as plain values.

    Raises:
        ConfigError: the folder holds a run with different settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        about = path / "settings.json"
        if about.exists():
            _check_same(path, about, settings)
        else:
            write_json(about, settings)
        (path / "dubbed").mkdir(exist_ok=True)
        for part in ("dubbed", "pairs"):
            for left in (path / part).glob(".*"):  # left by a run that was killed while writing
                left.unlink()

    def rows(self, number: int) -> list[Row] | None:
        """A pair's rows if an earlier run finished it, else None."""
        path = self._file(number, "json")
        if not path.exists():
            return None
        return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]

    def finish(
        self, number: int, rows: list[Row], features: Mapping[str, list[np.ndarray]]
    ) -> None:
        """Save a pair's results; the rows last, because they mark the pair as finished."""
        for kind, parts in features.items():
            with whole_file(self._file(number, f"{kind}.npy")) as temporary:
                np.save(temporary, np.concatenate(parts).astype(np.float32), allow_pickle=False)
        write_json(self._file(number, "json"), rows)

    def features(self, number: int) -> Iterator[tuple[str, np.ndarray]]:
        """The judge's embeddings of a scored pair: (set, float32 (windows, d))."""
        for kind in FEATURES:
            yield kind, np.load(self._file(number, f"{kind}.npy"), allow_pickle=False)

    def _file(self, number: int, ending: str) -> Path:
        return self.path / "pairs" / f"{number:05d}.{ending}"


def _check_same(folder: Path, path: Path, settings: Mapping[str, Any]) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ConfigError(f"{path}: is damaged; use another output folder") from None
    names = dict.fromkeys([*before, *settings])
    changed = [name for name in names if before.get(name) != settings.get(name)]
    if changed:
        diff = ", ".join(f"{n} {before.get(n)} there, {settings.get(n)} now" for n in changed)
        raise ConfigError(
            f"{folder}: holds an evaluation with other settings ({diff}); use another output folder"
        )
