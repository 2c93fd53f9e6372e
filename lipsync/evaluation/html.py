"""A report as one self-contained HTML file: tables, plots and clips are embedded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lipsync.errors import MediaError
from lipsync.evaluation.plots import offset_plot, pair_plot, reliability_plot, score_plot
from lipsync.evaluation.rows import (
    COPIED,
    GENERATED,
    LEAKAGE,
    LIKENESS,
    OLD,
    OWN,
    PICTURE,
    REAL,
    SETS,
    SWAPPED,
)
from lipsync.evaluation.table import Report, Summary
from lipsync.evaluation.text import signed, tenths, write_text
from lipsync.media import read_frames
from lipsync.metrics.statistics import compare_paired
from lipsync.pages import data_uri, jpeg_uri, render


def html_report(
    report: Report, clips: Sequence[tuple[Path, str]] = (), comparison: str | None = None
) -> str:
    """The page as HTML.

    Args:
        report: the scores.
        clips: small mp4 files and their captions, embedded in the page.
        comparison: the text of :func:`lipsync.evaluation.compare`, if any.
    """
    found = {kind: report.overall(kind) for kind in report.sets}
    compared = [summary for kind, summary in found.items() if kind not in (SWAPPED, COPIED, OLD)]
    looks = {k: about for k, about in PICTURE.items() if k not in LIKENESS | LEAKAGE}
    plot = pair_plot(report)
    distances = [
        {row.video: row.distance for row in report.scored_rows(k)} for k in (GENERATED, SWAPPED)
    ]
    return render(
        "scores.html.j2",
        report=report,
        sets=SETS,
        summaries=found.values(),
        made=found[GENERATED],
        real=found[REAL],
        own=found.get(OWN, found[GENERATED]).picture.get("psnr_lower"),
        signed=signed,
        tenths=tenths,
        score_plot=score_plot(report),
        offset_plot=offset_plot(report),
        pair_plot=plot,
        reliability_plot=reliability_plot(report),
        following=plot and compare_paired(*distances),
        likeness=_pictures(LIKENESS, list(found.values())),
        looks=_pictures(looks, compared),
        measured=[name for name in PICTURE if any(name in row.picture for row in report.rows)],
        clips=[(*_film(path), caption) for path, caption in clips],
        comparison=comparison,
    )


def save_html(
    report: Report,
    folder: str | Path,
    clips: Sequence[tuple[Path, str]] = (),
    comparison: str | None = None,
) -> Path:
    """Write ``report.html`` into ``folder`` atomically."""
    return write_text(Path(folder) / "report.html", html_report(report, clips, comparison))


def _pictures(names: Mapping[str, str], summaries: list[Summary]) -> tuple[list[Summary], list]:
    """The sets that have any of these measures; each measure's name, meaning and means."""
    columns = [found for found in summaries if found.picture.keys() & names.keys()]
    rows = [
        (name, about, [found.picture.get(name) for found in columns])
        for name, about in names.items()
        if any(name in found.picture for found in columns)
    ]
    return columns, rows


def _film(path: Path) -> tuple[str, str | None]:
    """A video as a data URL, and its poster image if there is one."""
    try:
        poster = jpeg_uri(next(read_frames(path))[1])
    except MediaError:
        poster = None
    return data_uri("video/mp4", path.read_bytes()), poster
