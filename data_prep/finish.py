"""Finish a set once all clips are written: split lists, manifest and report."""

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


class KeptClip(NamedTuple):
    """What the split lists need to know about a kept clip."""

    key: str
    frames: int


@dataclass(frozen=True)
class Summary:
    """Result of a run.

    Attributes:
        output: the prepared set: a folder or a URL.
        splits: the split lists and the speakers in them.
        reasons: number of rejected files, shots and faces, by reason.
        sync: outcome of the sync check, in one line.
        clips, minutes, files: number of clips in the set, their total length, and the number of
            source files.
        done: number of files processed in this run; the others were done before.
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
        """Rows of the manifest, sorted by source and time."""
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
    """Write ``manifest.jsonl``, ``filelists`` and ``report.html``, in one pass over the rows.

    Args:
        lists: the source folder, or another with its lists.
        output: folder to write to.
        rows: rows of all sources, sorted by source.
        sources: all sources.
        shares: splits to draw if the source has no lists, see :func:`write_splits`.
        options: options of the set.
        picture: returns the thumbnail of a row, see :meth:`data_prep.report.Report.write`.
        done: number of files processed in this run.
    """
    report = Report()
    ordered = iter(sorted(sources, key=attrgetter("name")))
    item = next(ordered, None)
    kept: dict[str, tuple[KeptClip, ...]] = {item.list_name: () for item in sources}

    def reported() -> Iterator[Row]:
        nonlocal item
        for row in rows:
            report.add(row)
            while item is not None and item.name < row.source:
                item = next(ordered, None)
            if row.status == KEPT:
                key = item.key if row.key == item.key else row.key  # saves a copy of the string
                kept[item.list_name] += (KeptClip(key, row.frames),)
            yield row

    write_manifest(output, reported())
    splits = write_splits(lists, output, kept, shares)
    report.write(output, picture, options, splits)
    reasons = report.reasons.copy()
    clips = reasons.pop(KEPT, 0)
    sync, minutes = report.sync_summary(options), report.minutes.total()
    return Summary(output, splits, reasons, sync, clips, minutes, report.sources, done)
