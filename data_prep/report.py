"""``report.html``: a self-contained report on a prepared set, to look at before training on it."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.manifest import KEPT, REASONS, SURE, Row, write_atomically
from data_prep.options import Options
from data_prep.splits import Splits
from lipsync.pages import jpeg_uri, render
from lipsync.windows import FPS

Picture = Callable[[str, int], np.ndarray | None]

_KEPT_SHOWN, _REJECTED_SHOWN = 48, 12  # thumbnails of kept clips, and per reason for rejection
_BINS = 20  # per histogram

# Sort keys of rejected clips by reason, worst first; other reasons keep the manifest's order.
_BADNESS: dict[str, Callable[[Row], float | None]] = {  # None if not measured
    "small": lambda row: row.face_size,
    "blurred": lambda row: row.sharpness,
    "turned": lambda row: -row.turn,
    "out_of_frame": lambda row: -row.outside,
    "silent": lambda row: row.level,
    "unsure": lambda row: row.confidence,
    "off_sync": lambda row: None if row.offset is None else -abs(row.offset),
    "too_short": lambda row: row.frames,
}
_MEASURES: dict[str, Callable[[Row], float | None]] = {  # histograms of kept clips, by title
    "measured offset where sure, frames": lambda row: row.offset if row.sync in SURE else None,
    "confidence": lambda row: row.confidence,
    "face height, pixels": lambda row: row.face_size,
    "length, seconds": lambda row: row.frames / FPS,
    "sharpness": lambda row: row.sharpness,
    "yaw (0 frontal, 1 profile)": lambda row: row.turn,
    "loudness, dB": lambda row: row.level,
}


class Report:
    """Collect the report's statistics row by row, without keeping all rows in memory.

    Attributes:
        rows, kept, sources: number of rows, kept clips and sources added.
        reasons: number of rows per reason; ``kept`` is one of them.
        minutes: minutes of kept clips, by speaker.
        sync: number of kept clips per outcome of the sync check, see
            :class:`data_prep.manifest.Row`.
    """

    def __init__(self) -> None:
        self.rows = self.sources = 0
        self.reasons: Counter[str] = Counter()
        self.sync: Counter[str] = Counter()
        self.minutes: Counter[str] = Counter()
        self._worst: dict[str, list[tuple[Any, Row, int]]] = defaultdict(list)
        self._values = {title: array("f") for title in _MEASURES}
        self._last, self._place = "", 0

    @property
    def kept(self) -> int:
        return self.reasons[KEPT]

    def add(self, row: Row) -> None:
        """Add a row; rows of one source must be consecutive and in order."""
        self._place = self._place + 1 if self.rows and row.source == self._last else 0
        self.sources += not self._place
        self.rows += 1
        self._last = row.source
        reason = row.reason or KEPT
        self.reasons[reason] += 1
        if reason == KEPT:
            self.minutes[row.key.split("/")[0]] += row.frames / FPS / 60
            self.sync[row.sync] += 1
            for title, measure in _MEASURES.items():
                if (value := measure(row)) is not None:
                    self._values[title].append(value)
            order: tuple = _worst_kept(row)
        else:
            bad = _BADNESS.get(reason, lambda row: 0.0)(row)
            order = (np.inf if bad is None else bad, self.rows)  # not measured: last
        worst, shown = self._worst[reason], _KEPT_SHOWN if reason == KEPT else _REJECTED_SHOWN
        worst.append((order, row, self._place))
        if len(worst) > 8 * shown:
            self._worst[reason] = sorted(worst, key=itemgetter(0))[:shown]

    def write(self, output: Path, picture: Picture, options: Options, splits: Splits) -> Path:
        """Write ``<output>/report.html`` atomically; return its path.

        Args:
            output: folder of the prepared set.
            picture: returns a row's thumbnail, given the source's name and the row's index in it.
            options: options of the set.
            splits: split lists of the set.
        """
        reasons = self.reasons.most_common()
        page = render(
            "prepared.html.j2",
            kept=self.kept,
            minutes=self.minutes.total(),
            sources=self.sources,
            options=str(options),
            sync=self.sync_summary(options),
            rows=self.rows,
            about=REASONS,
            reasons=reasons,
            splits=splits,
            histograms=[
                histogram(title, values, whole=title.startswith("offset"))
                for title, values in self._values.items()
                if len(values)
            ],
            speakers=self.minutes.most_common(),
            order="confidence" if len(self._values["confidence"]) else "sharpness",
            worst=self._cards(KEPT, _KEPT_SHOWN, picture),
            rejected=[
                (reason, count, self._cards(reason, _REJECTED_SHOWN, picture))
                for reason, count in reasons
                if reason != KEPT
            ],
        )
        write_atomically(path := output / "report.html", page)
        return path

    def sync_summary(self, options: Options) -> str:
        """One line on the outcome of the sync check for the kept clips."""
        found = ", ".join(f"{count} {what}" for what, count in self.sync.most_common() if what)
        return (
            f"sync, by {options.judge}: {found or 'no clip'}"
            if options.judge
            else "sync: not checked"
        )

    def _cards(self, reason: str, shown: int, picture: Picture) -> list:
        worst = sorted(self._worst[reason], key=itemgetter(0))[:shown]
        return [_card(row, picture(row.source, place)) for _, row, place in worst]


def _worst_kept(row: Row) -> tuple[float, str]:
    return (row.sharpness if row.confidence is None else row.confidence), row.key


def histogram(title: str, values: Sequence[float], *, whole: bool = False) -> dict:
    """Histogram of values, for the page's template; ``whole`` gives each integer its own bar."""
    low, high = min(values), max(values)
    if whole:
        edges = np.arange(low - 0.5, high + 1)
    elif high > low:
        edges = np.linspace(low, high, _BINS + 1)
    else:
        edges = np.array([low - 0.5, low + 0.5])
    counts, _ = np.histogram(values, edges)
    found = {"counts": counts.tolist(), "edges": edges.tolist(), "median": np.median(values)}
    return {"title": title, "low": low, "high": high, **found}


def _card(row: Row, picture: np.ndarray | None) -> tuple[str | None, list[str]]:
    """A row's thumbnail as a data URI, or None, and its caption's lines."""
    numbers = [f"at {row.start / FPS:.1f} s"] if row.start else []
    if row.frames:
        numbers.append(f"{row.frames / FPS:.1f} s")
    if row.face_size:
        numbers += [f"{row.face_size:.0f} px", f"sharp {row.sharpness:.1f}", f"turn {row.turn:.2f}"]
    if row.confidence is not None:
        numbers.append(f"conf {row.confidence:.2f}, off {row.fine_offset:+.1f}")
    lines = [row.key if row.status == KEPT else row.source, row.detail, ", ".join(numbers)]
    return None if picture is None else jpeg_uri(picture, 95), [line for line in lines if line]
