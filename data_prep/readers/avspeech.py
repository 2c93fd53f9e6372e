"""AVSpeech: CSV files that list spans of YouTube videos, and the downloaded videos or clips.

::

    avspeech_train.csv  avspeech_test.csv          <video>,<start>,<end>,<x>,<y>   no header
    .../<video>_<start>-<end>.mp4                  a clip, also as <video>_<start>_<end>.mp4
    .../<video>.mp4                                or a whole video

Times are in seconds. ``x`` and ``y`` are the centre of the speaker's face, as fractions of width
and height, and are kept as ``face``. The corpus does not identify speakers, so each video counts as
one speaker.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from data_prep.readers.corpus_clip import YOUTUBE, CorpusClip

_CLIP = re.compile(rf"({YOUTUBE})_(\d+(?:\.\d+)?)[-_](\d+(?:\.\d+)?)")


def read(folder: Path, videos: Sequence[PurePath]) -> Iterator[CorpusClip]:
    cut = {path: found for path in videos if (found := _CLIP.fullmatch(path.stem))}
    names = {path.stem for path in videos} | {found[1] for found in cut.values()}
    listed = _read_lists(folder, names)
    for path in videos:
        if found := cut.get(path):
            name, start, end = found[1], float(found[2]), float(found[3])
            for span, face in listed.get(name, ()):
                if abs(span[0] - start) < 0.01 and abs(span[1] - end) < 0.01:
                    yield _clip(path, name, span, face, whole=True)
                    break
        else:
            for span, face in listed.get(path.stem, ()):
                yield _clip(path, path.stem, span, face, whole=False)


def _clip(
    path: PurePath, name: str, span: tuple[float, float], face: list[float], *, whole: bool
) -> CorpusClip:
    clip = f"{span[0]:.3f}-{span[1]:.3f}"
    return CorpusClip(path, (name, name, clip), None if whole else span, {"face": face})


def _read_lists(
    folder: Path, names: set[str]
) -> dict[str, list[tuple[tuple[float, float], list[float]]]]:
    """Spans and face centres of the ``names`` only, as the lists have millions of videos."""
    found: dict[str, list[tuple[tuple[float, float], list[float]]]] = {}
    for path in sorted(folder.rglob("*.csv")):
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.reader(file):
                if len(row) != 5 or row[0] not in names:
                    continue
                try:
                    start, end, x, y = map(float, row[1:])
                except ValueError:
                    continue
                if end > start:
                    found.setdefault(row[0], []).append(((start, end), [x, y]))
    return found
