"""``report.html``: what a person would look at before training on a prepared set. One file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from data_prep.manifest import KEPT, REASONS, Row, write_whole
from data_prep.options import Options
from data_prep.splits import Splits
from data_prep.state import State
from lipsync.pages import jpeg_uri, render
from lipsync.windows import FPS

_KEPT_SHOWN, _REJECTED_SHOWN = 48, 12  # pictures of kept clips, and for each reason

# How bad a rejected clip is, by its reason; the others come in the manifest's order.
_BADNESS: dict[str, Callable[[Row], float | None]] = {  # None where it was not measured
    "small": lambda row: row.face_size,
    "blurred": lambda row: row.sharpness,
    "turned": lambda row: -row.turn,
    "out_of_frame": lambda row: -row.outside,
    "silent": lambda row: row.level,
    "unsure": lambda row: row.confidence,
    "off_sync": lambda row: None if row.offset is None else -abs(row.offset),
    "too_short": lambda row: row.frames,
}


def write_report(
    output: Path, rows: list[Row], keys: dict[str, str], options: Options, splits: Splits
) -> Path:
    """Write ``<output>/report.html``, whole or not at all.

    Args:
        output: the prepared set, whose ``.state`` has the pictures.
        rows: of its manifest, those of a source together and in their order.
        keys: of the sources, by their names.
        options: that it was made with.
        splits: its lists.
    """
    places = {
        id(row): place for _, group in groupby(rows, lambda r: r.source)
        for place, row in enumerate(group)
    }  # fmt: skip
    card = partial(_card, output, keys, places)
    groups: dict[str, list[Row]] = defaultdict(list)
    minutes: Counter[str] = Counter()
    for row in rows:
        groups[row.reason or KEPT].append(row)
        if row.status == KEPT:
            minutes[row.key.split("/")[0]] += row.frames / FPS / 60
    kept = groups.get(KEPT, [])
    reasons = sorted(((name, len(found)) for name, found in groups.items()), key=lambda n: -n[1])
    judged = any(row.confidence is not None for row in kept)
    page = render(
        "prepared.html.j2",
        kept=kept,
        minutes=minutes.total(),
        sources=len({row.source for row in rows}),
        options=str(options),
        rows=len(rows),
        about=REASONS,
        reasons=reasons,
        splits=splits,
        histograms=_histograms(kept),
        speakers=minutes.most_common(),
        order="confidence" if judged else "sharpness",
        worst=[card(row) for row in sorted(kept, key=_worst_kept)[:_KEPT_SHOWN]],
        rejected=[
            (reason, count, [card(row) for row in _worst(groups[reason])])
            for reason, count in reasons
            if reason != KEPT
        ],
    )
    write_whole(path := output / "report.html", page)
    return path


def _worst_kept(row: Row) -> tuple[float, str]:
    return (row.sharpness if row.confidence is None else row.confidence), row.key


def _worst(rows: list[Row]) -> list[Row]:
    """The worst of rows of one reason; those that were not measured come last."""
    badness = _BADNESS.get(rows[0].reason, lambda row: 0.0)
    return sorted(rows, key=lambda row: np.inf if (bad := badness(row)) is None else bad)[
        :_REJECTED_SHOWN
    ]


def _histograms(kept: list[Row]) -> list[dict]:
    """Of the numbers of kept clips, those that were measured."""
    shown = {
        "offset as found, frames": [row.offset for row in kept],
        "confidence": [row.confidence for row in kept],
        "face height, pixels": [row.face_size for row in kept],
        "length, seconds": [row.frames / FPS for row in kept],
        "sharpness": [row.sharpness for row in kept],
        "turned to a side": [row.turn for row in kept],
        "loudness, dB": [row.level for row in kept],
    }
    known = {name: [v for v in values if v is not None] for name, values in shown.items()}
    return [
        histogram(name, values, whole=name.startswith("offset"))
        for name, values in known.items()
        if values
    ]


def histogram(title: str, values: list[float], *, bins: int = 20, whole: bool = False) -> dict:
    """How often values occur; ``whole`` gives each integer its own bar."""
    low, high = min(values), max(values)
    if whole:
        edges = np.arange(low - 0.5, high + 1)
    else:
        edges = np.linspace(low, high, bins + 1) if high > low else np.array([low - 0.5, low + 0.5])
    counts, _ = np.histogram(values, edges)
    found = {"counts": counts.tolist(), "edges": edges.tolist(), "median": np.median(values)}
    return {"title": title, "low": low, "high": high, **found}


def _card(
    output: Path, keys: dict[str, str], places: dict[int, int], row: Row
) -> tuple[str | None, list[str]]:
    """A row's picture, None without one, and what is known of it in lines."""
    key = keys.get(row.source)
    picture = State(output, key).picture(places[id(row)]) if key else None
    numbers = [f"at {row.start / FPS:.1f} s"] if row.start else []
    if row.frames:
        numbers.append(f"{row.frames / FPS:.1f} s")
    if row.face_size:
        numbers += [f"{row.face_size:.0f} px", f"sharp {row.sharpness:.1f}", f"turn {row.turn:.2f}"]
    if row.confidence is not None:
        numbers.append(f"conf {row.confidence:.2f}, off {row.fine_offset:+.1f}")
    lines = [row.key if row.status == KEPT else row.source, row.detail, ", ".join(numbers)]
    return None if picture is None else jpeg_uri(picture, 95), [line for line in lines if line]
