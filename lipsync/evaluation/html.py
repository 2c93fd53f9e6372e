"""A report as one HTML file that needs no other: tables, plots and clips are inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from lipsync.evaluation.markup import STYLE, card, film, interval, named, number, table, text
from lipsync.evaluation.plots import offset_plot, pair_plot, score_plot
from lipsync.evaluation.table import (
    COPIED,
    GENERATED,
    LIKENESS,
    OWN,
    PICTURE,
    REAL,
    SCORES,
    SETS,
    SWAPPED,
    Report,
    Summary,
    signed,
    write_text,
)
from lipsync.metrics.statistics import Interval, compare_paired


def html_report(
    report: Report, clips: Sequence[tuple[Path, str]] = (), comparison: str | None = None
) -> str:
    """The page.

    Args:
        report: the scores.
        clips: small mp4 files and their captions; they are put into the page.
        comparison: the text of :func:`lipsync.evaluation.compare`, where there is one.
    """
    summaries = [report.overall(kind) for kind in report.sets]
    parts = [
        f"<h1>Lip-sync scores{_of(report)}</h1>",
        f"<p class=note>Judge <b>{escape(report.judge)}</b>. {escape(report.protocol)}. "
        f"Offsets of up to {report.vshift} frames to either side. Means over videos, with 95 % "
        "bootstrap intervals.</p>",
        *([f"<p class=warning>{escape(report.warning)}</p>"] if report.warning else []),
        _cards(report),
        "<h2>Sync</h2>",
        _sync_table(report, summaries),
        "<p class=note>Distances are in the judge's own units: compare them within this page.</p>",
        score_plot(report),
        "<h2>Offsets</h2>",
        offset_plot(report),
        *_following(report),
        *_likeness(summaries),
        *_looks(report, summaries),
    ]
    if clips:
        films = "\n".join(film(path, caption) for path, caption in clips)
        parts += ["<h2>Clips</h2><p class=note>Left the real video, right the dub.</p>"]
        parts += [f"<div class=films>{films}</div>"]
    if comparison:
        parts += ["<h2>Comparison on the same pairs</h2>", f"<pre>{escape(comparison)}</pre>"]
    parts += _problems(report)
    parts += ["<h2>All videos</h2>", _all_videos(report)]
    if report.settings:
        rows = [[name, text(str(value))] for name, value in report.settings.items()]
        parts += ["<h2>Settings</h2>", table(("setting", "value"), rows)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Lip-sync scores{_of(report)}</title>\n<style>{STYLE}</style>\n{body}\n</html>\n"
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


def _cards(report: Report) -> str:
    """What is asked first: the generated beside the real."""
    made, real = report.overall(GENERATED), report.overall(REAL)
    if not (made.n and real.n):
        return ""
    n = f"n {made.n}" + (f", {made.left_out} left out" if made.left_out else "")

    def beside(title: str, found: Interval, other: Interval, digits: int = 3) -> str:
        value, _, rest = found.text(digits).partition(" ")
        return card(title, value, [rest or n, f"real videos {other.text(digits)}", n])

    distance, confidence = report.measures
    cards = [
        beside(f"{distance}, lower is better", made.distance, real.distance),
        beside(f"{confidence}, higher is better", made.confidence, real.confidence),
        beside("share of offsets within 1 frame", made.within_one, real.within_one, 2),
    ]
    own = report.overall(OWN if OWN in report.sets else GENERATED).picture.get("psnr_lower")
    if own is not None:
        value, _, rest = own.text(1).partition(" ")
        cards.append(
            card("PSNR of the lower half, own speech", f"{value} dB", [rest, f"n {own.n}"])
        )
    return f"<div class=cards>{''.join(cards)}</div>"


def _sync_table(report: Report, summaries: Iterable[Summary]) -> str:
    distance, confidence = report.measures
    head = ("set", "n", "left out", f"{distance} ↓", f"{confidence} ↑")
    head += ("median offset", "within 1 frame", "what")
    rows = []
    for found in summaries:
        numbers = (
            [
                interval(found.distance),
                interval(found.confidence),
                signed(found.median_offset),
                interval(found.within_one, 2),
            ]
            if found.n
            else ["-"] * 4
        )
        rows.append([found.set, str(found.n), str(found.left_out), *numbers, text(SETS[found.set])])
    return table(head, rows)


def _following(report: Report) -> list[str]:
    plot = pair_plot(report)
    if plot is None:
        return []
    own, other = (
        {row.video: row.distance for row in report.of(kind)} for kind in (GENERATED, SWAPPED)
    )
    found = compare_paired(own, other)
    verdict = "the mouth follows what it hears" if found.difference.low > 0 else "not told from 0"
    told = (
        f"Beside another speech the same pictures have a distance that is higher by "
        f"{found.difference.text()} (n {found.difference.n}): {verdict}. It is higher in "
        f"{found.share_higher:.0%} of the pairs."
    )
    return ["<h2>Does the mouth follow?</h2>", f"<div class=beside>{plot}<p>{told}</p></div>"]


def _likeness(summaries: list[Summary]) -> list[str]:
    columns = [found for found in summaries if any(name in found.picture for name in LIKENESS)]
    if not columns:
        return []
    return [
        "<h2>Likeness to the true pictures</h2>",
        "<p class=note>Of faces that speak their own speech, for then the true pictures are known. "
        f"<b>{SWAPPED}</b>: painted for another speech, so less alike where the mouth follows; "
        "<b>copied_reference</b>: the mouth of a second before pasted in; <b>re_encoded</b>: the "
        "most that a file allows; <b>real</b>: equal pictures, PSNR counted as 100 dB.</p>",
        _measures(LIKENESS, columns),
    ]


def _looks(report: Report, summaries: list[Summary]) -> list[str]:
    names = {name: how for name, how in PICTURE.items() if name not in LIKENESS}
    shown = [found for found in summaries if found.set not in (SWAPPED, COPIED)]  # seen in others
    columns = [found for found in shown if any(name in found.picture for name in names)]
    parts = [_measures(names, columns)] if columns else []
    if report.frechet:
        found = report.frechet
        parts.append(
            f"<p>Fréchet distance of generated and real <b>{escape(found['network'])}</b> "
            f"({found['generated']} and {found['real']} windows): {found['distance']:.4f}. "
            "<span class=note>Not FID: it is under the network named here.</span></p>"
        )
    if not parts:
        return []
    note = "<p class=note>Read them beside the real videos', which are no perfect zero either.</p>"
    return ["<h2>Pictures by themselves</h2>", note, *parts]


def _measures(names: dict[str, str], columns: list[Summary]) -> str:
    rows = [
        [named(name, how), *(interval(found.picture.get(name), n=found.n) for found in columns)]
        for name, how in names.items()
        if any(name in found.picture for found in columns)
    ]
    head = [f"{found.set} (n {found.n})" for found in columns]
    return table(("measure", *head), rows)


def _problems(report: Report) -> list[str]:
    problems = report.problems()
    if not problems:
        return []
    rows = [[video, text(why)] for video, why in problems.items()]
    return [f"<h2>Left out ({len(problems)})</h2>", table(("video", "why"), rows)]


def _all_videos(report: Report) -> str:
    names = [name for name in PICTURE if any(name in row.picture for row in report.rows)]
    rows = [
        [row.video, row.set, str(row.n)]
        + [number(getattr(row, name)) for name in SCORES]
        + [number(row.picture.get(name)) for name in names]
        for row in report.rows
        if not row.problem
    ]
    found = table(("video", "set", "windows", *SCORES, *names), rows)
    return f"<details><summary>{len(rows)} rows</summary>{found}</details>"
