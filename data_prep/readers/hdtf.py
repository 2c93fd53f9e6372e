"""HDTF: YouTube videos or clips of them, and text files that list the spans with speech.

::

    RD_annotion_time.txt         Radio11.mp4 00:30-01:00 01:30-02:30   (and WDA_, WRA_)
    .../Radio11.mp4              whole videos, also as RD_Radio11.mp4
    .../Radio11_0.mp4            or clips cut from them, also as RD_Radio11_000.mp4

If a video has both, its clips are used. The speaker is the video's name without trailing digits; in
RD, each video counts as a different speaker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from data_prep.readers.corpus_clip import CorpusClip, lines, seconds
from lipsync.errors import ConfigError

_SUBSETS = ("RD", "WDA", "WRA")
_CLIP = re.compile(r"(.+)_(\d{1,3})")


def read(folder: Path, videos: Sequence[PurePath]) -> Iterator[CorpusClip]:
    times = _read_times(folder)
    cut: dict[str, list[tuple[PurePath, str]]] = {}
    whole: dict[str, PurePath] = {}
    for path in videos:
        if (name := _listed_name(path.stem, times)) is not None:
            whole.setdefault(name, path)
        elif (found := _CLIP.fullmatch(path.stem)) and (name := _listed_name(found[1], times)):
            cut.setdefault(name, []).append((path, found[2]))
    for name, clips in cut.items():
        for path, number in clips:
            yield CorpusClip(path, (_speaker(name), name, f"{int(number):03}"))
    for name, path in whole.items():
        if name in cut:
            continue
        for number, span in enumerate(times[name]):
            yield CorpusClip(path, (_speaker(name), name, f"{number:03}"), span)


def _read_times(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Spans of each video in seconds, by ``<subset>_<name>``."""
    found: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(folder.rglob("*_annotion_time.txt")):
        subset = path.name.split("_")[0]
        for line in lines(path):
            name, *spans = line.split()
            try:
                pairs = [tuple(map(seconds, span.split("-"))) for span in spans]
                parsed = [(start, end) for start, end in pairs if end > start]
            except ValueError as error:
                raise ConfigError(
                    f"{path}: {line!r}: {error}; expected spans such as 00:30-01:00"
                ) from None
            found[f"{subset}_{name.removesuffix('.mp4')}"] = parsed
    if not found:
        raise ConfigError(
            f"reader=hdtf: there is no *_annotion_time.txt below {folder}; put those of the corpus "
            "there"
        )
    return found


def _listed_name(stem: str, times: dict[str, list[tuple[float, float]]]) -> str | None:
    """Name of the listed video that a file's stem refers to, with its subset; None if unlisted."""
    names = [stem, *(f"{subset}_{stem}" for subset in _SUBSETS)]
    return next((name for name in names if name in times), None)


def _speaker(name: str) -> str:
    return name if name.startswith("RD_") else name.rstrip("0123456789")
