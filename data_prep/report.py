"""``report.html``: what a person would look at before training on a prepared set. One file."""

from __future__ import annotations

import base64
from collections import Counter
from html import escape
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from data_prep.manifest import KEPT, REASONS, Row
from data_prep.options import Options
from data_prep.state import State
from lipsync.windows import FPS

_KEPT_SHOWN, _REJECTED_SHOWN = 48, 12  # pictures of kept clips, and for each reason
_WIDTH, _HEIGHT = 300, 110  # of a histogram, pixels

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1100px; padding: 0 1em;
       color: #1c2330; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin: 2em 0 .4em }
table { border-collapse: collapse } td, th { padding: .15em .9em .15em 0; text-align: left }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.bar { background: #2f6fb5; height: .7em; display: inline-block; min-width: 1px }
.row { display: flex; flex-wrap: wrap; gap: 1.2em } figure { margin: 0 }
.sheet { gap: .7em } .sheet figure { width: 112px }
figcaption { font-size: 11px; line-height: 1.3; color: #4a5364; overflow-wrap: anywhere }
.none { width: 96px; height: 96px; background: #e6e9ee; display: block }
.note { color: #4a5364 }
"""

# How bad a rejected clip is, by its reason; the others come in order of their names.
_BADNESS = {  # None where it was not measured
    "small": lambda row: row.face_size,
    "blurred": lambda row: row.sharpness,
    "turned": lambda row: -row.turn,
    "out_of_frame": lambda row: -row.outside,
    "silent": lambda row: row.level,
    "unsure": lambda row: row.confidence,
    "off_sync": lambda row: None if row.offset is None else -abs(row.offset),
    "too_short": lambda row: row.frames,
}


def write_report(output: Path, rows: list[Row], keys: dict[str, str], options: Options) -> Path:
    """Write ``<output>/report.html``, whole or not at all.

    Args:
        output: the prepared set, whose ``.state`` has the pictures.
        rows: of its manifest, those of a source together and in their order.
        keys: of the sources, by their names.
        options: that it was made with.
    """
    kept = [row for row in rows if row.status == KEPT]
    places = {
        id(row): place for _, group in groupby(rows, lambda r: r.source)
        for place, row in enumerate(group)
    }  # fmt: skip
    cards = _Cards(output, keys, places)
    sources = len({row.source for row in rows})
    minutes = sum(row.frames for row in kept) / FPS / 60
    speakers = len({row.key.split("/")[0] for row in kept})
    body = [
        f"<h1>Prepared set: {len(kept)} clips, {minutes:.1f} minutes, {speakers} speakers</h1>",
        f"<p class=note>From {sources} files. {escape(str(options))}</p>",
        _reasons(rows),
        "<h2>Kept clips</h2><div class=row>" + "".join(_histograms(kept)) + "</div>",
        _speakers(kept),
        f"<h2>Kept, worst first</h2><p class=note>{_order(kept)}</p>",
        cards.sheet(sorted(kept, key=_worst_kept)[:_KEPT_SHOWN]),
    ]
    rejected = [row for row in rows if row.status != KEPT]
    counts = Counter(row.reason for row in rejected)
    for reason, count in counts.most_common():
        these = [row for row in rejected if row.reason == reason]
        badness = _BADNESS.get(reason)
        known = [row for row in these if badness is None or badness(row) is not None]
        order = sorted(known, key=badness) if badness else known
        shown = (order + [row for row in these if row not in order])[:_REJECTED_SHOWN]
        body.append(
            f"<h2>Left out: {escape(reason)} ({count})</h2>"
            f"<p class=note>{escape(REASONS[reason])}</p>" + cards.sheet(shown)
        )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Prepared set</title>"
        f"<style>{_STYLE}</style>" + "\n".join(body) + "</html>\n"
    )
    path = output / "report.html"
    making = path.with_suffix(".tmp")
    making.write_text(page, encoding="utf-8")
    making.replace(path)
    return path


def _worst_kept(row: Row) -> tuple[float, str]:
    return (row.sharpness if row.confidence is None else row.confidence), row.key


def _order(kept: list[Row]) -> str:
    by = "confidence" if any(row.confidence is not None for row in kept) else "sharpness"
    return f"The {min(len(kept), _KEPT_SHOWN)} of {len(kept)} with the least {by}."


def _reasons(rows: list[Row]) -> str:
    counts = Counter(row.reason or "kept" for row in rows)
    lines = [
        f"<tr><td>{escape(reason)}<td class=n>{count}<td>"
        f"<span class=bar style='width:{300 * count / len(rows):.0f}px'></span>"
        f"<td class=note>{escape(REASONS.get(reason, ''))}"
        for reason, count in counts.most_common()
    ]
    return "<h2>What became of it</h2><table>" + "".join(lines) + "</table>"


def _histograms(kept: list[Row]) -> list[str]:
    def known(name: str) -> list[float]:
        return [v for v in (getattr(row, name) for row in kept) if v is not None]

    return [
        histogram("offset as found, frames", known("offset"), whole=True),
        histogram("confidence", known("confidence")),
        histogram("face height, pixels", known("face_size")),
        histogram("length, seconds", [row.frames / FPS for row in kept]),
        histogram("sharpness", known("sharpness")),
        histogram("turned to a side", known("turn")),
        histogram("loudness, dB", known("level")),
    ]


def histogram(title: str, values: list[float], *, bins: int = 20, whole: bool = False) -> str:
    """An SVG of how often values occur, '' without any; ``whole`` gives each integer its bar."""
    if not values:
        return ""
    low, high = min(values), max(values)
    if whole:
        counts, edges = np.histogram(values, np.arange(low - 0.5, high + 1))
    else:
        margin = 0.5 if high == low else 0.0
        counts, edges = np.histogram(values, bins, (low - margin, high + margin))
    width = _WIDTH / len(counts)
    bars = "".join(
        f"<rect x={i * width:.1f} y={_HEIGHT - n / counts.max() * _HEIGHT:.1f} "
        f"width={max(width - 1, 1):.1f} height={n / counts.max() * _HEIGHT:.1f} fill=#2f6fb5>"
        f"<title>{edges[i]:.4g} to {edges[i + 1]:.4g}: {n}</title></rect>"
        for i, n in enumerate(counts)
        if n
    )
    return (
        f"<figure><svg width={_WIDTH} height={_HEIGHT + 18} role=img "
        f"aria-label='{escape(title)}'>{bars}"
        f"<line x1=0 x2={_WIDTH} y1={_HEIGHT} y2={_HEIGHT} stroke=#9aa3b2 />"
        f"<text x=0 y={_HEIGHT + 14} font-size=11>{low:.4g}</text>"
        f"<text x={_WIDTH} y={_HEIGHT + 14} font-size=11 text-anchor=end>{high:.4g}</text></svg>"
        f"<figcaption>{escape(title)}; median {np.median(values):.4g}, most in a bar "
        f"{counts.max()}</figcaption></figure>"
    )


def _speakers(kept: list[Row]) -> str:
    minutes: Counter[str] = Counter()
    for row in kept:
        minutes[row.key.split("/")[0]] += row.frames / FPS / 60
    most = max(minutes.values(), default=1)
    lines = [
        f"<tr><td>{escape(name)}<td class=n>{value:.1f} min<td>"
        f"<span class=bar style='width:{300 * value / most:.0f}px'></span>"
        for name, value in minutes.most_common(30)
    ]
    more = f"<p class=note>and {len(minutes) - 30} more</p>" if len(minutes) > 30 else ""
    return "<h2>Speakers</h2><table>" + "".join(lines) + "</table>" + more


class _Cards:
    """Pictures of rows with what is known of them.

    Args:
        output: the prepared set.
        keys: of the sources, by their names.
        places: each row's number in its source, by the row's id.
    """

    def __init__(self, output: Path, keys: dict[str, str], places: dict[int, int]) -> None:
        self._output, self._keys, self._places = output, keys, places

    def sheet(self, rows: list[Row]) -> str:
        return "<div class='row sheet'>" + "".join(map(self._card, rows)) + "</div>"

    def _card(self, row: Row) -> str:
        key = self._keys.get(row.source)
        picture = State(self._output, key).picture(self._places[id(row)]) if key else None
        return "<figure>" + _image(picture) + f"<figcaption>{_caption(row)}</figcaption></figure>"


def _image(picture: np.ndarray | None) -> str:
    if picture is None:
        return "<span class=none></span>"
    data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    code = base64.b64encode(data).decode()
    return f"<img width=96 height=96 alt='' src='data:image/jpeg;base64,{code}'>"


def _caption(row: Row) -> str:
    numbers = [f"{row.frames / FPS:.1f} s"] if row.frames else []
    if row.start:
        numbers.insert(0, f"at {row.start / FPS:.1f} s")
    if row.face_size:
        numbers += [f"{row.face_size:.0f} px", f"sharp {row.sharpness:.1f}", f"turn {row.turn:.2f}"]
    if row.confidence is not None:
        numbers.append(f"conf {row.confidence:.2f}, off {row.offset:+d}")
    name = row.key if row.status == KEPT else row.source
    return "<br>".join(escape(part) for part in (name, row.detail, ", ".join(numbers)) if part)
