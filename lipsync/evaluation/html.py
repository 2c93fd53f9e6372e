"""A report as one HTML file that needs no other: tables, plots and clips are inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from lipsync.evaluation.plots import offset_plot, pair_plot, score_plot
from lipsync.evaluation.table import (
    PICTURE,
    SCORES,
    SETS,
    Report,
    Summary,
    signed,
    write_text,
)
from lipsync.metrics.statistics import Interval

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1e21; max-width: 72rem;
       margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e3e5e8;
         vertical-align: top; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1px solid #9a9da1; }
th:first-child, td:first-child, td.text { text-align: left; }
td.text { white-space: normal; min-width: 14rem; }
small, .note { color: #63676c; } .note { max-width: 46rem; }
td small { display: block; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; }
figure { display: inline-block; margin: 0 1rem 1rem 0; max-width: 28rem; }
figcaption { font-size: .85rem; color: #63676c; } video { width: 100%; display: block; }
details summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
"""


class _Html(str):
    """A cell that is HTML already, from its ``<td>`` on."""


def html_report(
    report: Report, clips: Sequence[tuple[Path, str]] = (), comparison: str | None = None
) -> str:
    """The page.

    Args:
        report: the scores.
        clips: small mp4 files and their captions; they are put into the page.
        comparison: the text of :func:`lipsync.evaluation.compare`, where there is one.
    """
    sync = ("n", "left out", "LSE-D ↓", "LSE-C ↑", "median offset", "share within 1 frame")
    summaries = [report.overall(kind) for kind in report.sets]
    parts = [
        f"<h1>Lip-sync scores{_of(report)}</h1>",
        f"<p class=note>Judge <b>{escape(report.judge)}</b>. {escape(report.protocol)}. "
        f"Offsets of up to {report.vshift} frames to either side. Means over videos with 95 % "
        "bootstrap intervals.</p>",
        "<h2>Sync</h2>",
        _table(("set", *sync), [_sync_cells(found) for found in summaries]),
        "<p class=note>"
        + "<br>".join(f"<b>{kind}</b>: {escape(SETS[kind])}." for kind in report.sets)
        + " Distances are in the judge's own units: compare them within this page.</p>",
        score_plot(report),
        "<h2>Offsets</h2>",
        offset_plot(report),
    ]
    if (plot := pair_plot(report)) is not None:
        parts += ["<h2>Does the mouth follow?</h2>", plot]
    parts += _pictures(report, summaries)
    if clips:
        parts += ["<h2>Clips</h2><p class=note>Left the real video, right the dub.</p>"]
        parts += [_clip(path, caption) for path, caption in clips]
    if comparison:
        parts += ["<h2>Comparison on the same pairs</h2>", f"<pre>{escape(comparison)}</pre>"]
    parts += _problems(report)
    parts += ["<h2>All videos</h2>", _all_videos(report)]
    if report.settings:
        lines = "\n".join(f"{name}: {value}" for name, value in report.settings.items())
        parts += ["<h2>Settings</h2>", f"<pre>{escape(lines)}</pre>"]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Lip-sync scores{_of(report)}</title>\n<style>{_STYLE}</style>\n{body}\n</html>\n"
    )


def save_html(
    report: Report,
    folder: str | Path,
    clips: Sequence[tuple[Path, str]] = (),
    comparison: str | None = None,
) -> Path:
    """Write ``report.html`` into ``folder``, whole or not at all."""
    return write_text(Path(folder) / "report.html", html_report(report, clips, comparison))


def _of(report: Report) -> str:
    return f" of {escape(str(report.settings['model']))}" if "model" in report.settings else ""


def _sync_cells(found: Summary) -> list[str]:
    if not found.n:
        return [found.set, "0", str(found.left_out), *["-"] * 4]
    return [
        found.set,
        str(found.n),
        str(found.left_out),
        _interval(found.distance),
        _interval(found.confidence),
        signed(found.median_offset),
        _interval(found.within_one, 2),
    ]


def _pictures(report: Report, summaries: list[Summary]) -> list[str]:
    names = [name for name in PICTURE if any(name in found.picture for found in summaries)]
    if not names and not report.frechet:
        return []
    rows = [
        [name]
        + [
            _interval(found.picture[name], with_n=True) if name in found.picture else "-"
            for found in summaries
        ]
        + [_text(PICTURE[name])]
        for name in names
    ]
    parts = ["<h2>Pictures</h2>", _table(("measure", *report.sets, "how to read it"), rows)]
    if report.frechet:
        found = report.frechet
        parts.append(
            f"<p>Fréchet distance of generated and real <b>{escape(found['network'])}</b> "
            f"({found['generated']} and {found['real']} windows): {found['distance']:.4f}. "
            "<span class=note>Not FID: it is under the network named here.</span></p>"
        )
    return parts


def _problems(report: Report) -> list[str]:
    problems = report.problems()
    if not problems:
        return []
    rows = [[video, _text(text)] for video, text in problems.items()]
    return [f"<h2>Left out ({len(problems)})</h2>", _table(("video", "why"), rows)]


def _all_videos(report: Report) -> str:
    names = [name for name in PICTURE if any(name in row.picture for row in report.rows)]
    rows = [
        [row.video, row.set, str(row.n)]
        + [_number(getattr(row, name)) for name in SCORES]
        + [_number(row.picture.get(name)) for name in names]
        for row in report.rows
        if not row.problem
    ]
    table = _table(("video", "set", "windows", *SCORES, *names), rows)
    return f"<details><summary>{len(rows)} rows</summary>{table}</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are escaped, but for those that :class:`_Html` says are HTML already."""
    top = "".join(f"<th>{escape(cell)}" for cell in head)

    def cell(text: str) -> str:
        return text if isinstance(text, _Html) else f"<td>{escape(text)}"

    body = "\n".join("<tr>" + "".join(map(cell, row)) for row in rows)
    return f"<div class=scroll><table><tr>{top}\n{body}</table></div>"


def _interval(found: Interval | None, digits: int = 3, with_n: bool = False) -> str:
    if found is None:
        return "-"
    text, _, rest = found.text(digits).partition(" ")
    note = " ".join(part for part in (rest, f"n {found.n}" if with_n else "") if part)
    return _Html(f"<td>{text}<small>{note}</small>")


def _text(text: str) -> str:
    return _Html(f"<td class=text>{escape(text)}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _clip(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><video controls preload="metadata" src="data:video/mp4;base64,{data}"></video>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
