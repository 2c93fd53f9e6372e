"""What follows once all clips are there: split lists, the manifest and the page about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from data_prep.manifest import KEPT, Row, read_manifest, write_manifest
from data_prep.options import Options
from data_prep.report import Picture, Report
from data_prep.scan import Source
from data_prep.splits import Splits, write_splits


class Kept(NamedTuple):
    """What split lists need to know of a kept clip."""

    key: str
    frames: int


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        output: the prepared set; a folder or a URL.
        splits: which clips are in which list, and who is where.
        reasons: how many files, shots and faces were rejected, by reason.
        sync: what the sync check made of the clips, in a line.
        clips, minutes, files: of the set, and how many files it was looked for in.
        done: files that this run worked on; the others were done before.
    """

    output: str | Path
    splits: Splits
    reasons: Counter[str]
    sync: str
    clips: int
    minutes: float
    files: int
    done: int

    @property
    def rows(self) -> list[Row]:
        """Of the manifest, sorted by source and time."""
        return list(read_manifest(self.output))

    @property
    def kept(self) -> list[Row]:
        return [row for row in self.rows if row.status == KEPT]


def finish(
    lists: str | Path,
    output: Path,
    rows: Iterable[Row],
    sources: Sequence[Source],
    shares: Mapping[str, float | Sequence[str]],
    options: Options,
    picture: Picture,
    done: int,
) -> Summary:
    """Write ``manifest.jsonl``, ``filelists`` and ``report.html`` of a set; rows pass through once.

    Args:
        lists: the source folder, or one with its lists.
        output: where they go.
        rows: of all sources, sorted.
        sources: that there are.
        shares: what is drawn where the source has no lists, see :func:`write_splits`.
        options: that it was made with.
        picture: of a row, see :meth:`data_prep.report.Report.write`.
        done: files that this run worked on.
    """
    report = Report()
    ordered = iter(sorted(sources, key=attrgetter("name")))
    item = next(ordered, None)
    kept: dict[str, tuple[Kept, ...]] = {item.listed: () for item in sources}

    def gathered() -> Iterator[Row]:
        nonlocal item
        for row in rows:
            report.add(row)
            while item is not None and item.name < row.source:
                item = next(ordered, None)
            if row.status == KEPT:
                key = item.key if row.key == item.key else row.key  # not twice in memory
                kept[item.listed] += (Kept(key, row.frames),)
            yield row

    write_manifest(output, gathered())
    splits = write_splits(lists, output, kept, shares)
    report.write(output, picture, options, splits)
    reasons = report.reasons.copy()
    clips = reasons.pop(KEPT, 0)
    sync, minutes = report.told_sync(options), report.minutes.total()
    return Summary(output, splits, reasons, sync, clips, minutes, report.sources, done)
