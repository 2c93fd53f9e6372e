"""Plots of a report as SVG text, which is deterministic."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lipsync.evaluation.rows import (
    COPIED,
    COVERED,
    GENERATED,
    OLD,
    OTHERS,
    OWN,
    REAL,
    REENCODED,
    SILENT,
    SWAPPED,
)
from lipsync.evaluation.table import Report
from lipsync.metrics.statistics import Interval

COLOURS = {
    GENERATED: "#1f5fa8",
    SWAPPED: "#c44536",
    OLD: "#b07aa1",
    SILENT: "#d9a441",
    COVERED: "#4f4a45",
    OTHERS: "#5b9aa0",
    COPIED: "#8a8d91",
    OWN: "#6fa3dc",
    REENCODED: "#8fbc94",
    REAL: "#3a7d44",
}


def score_plot(report: Report) -> str:
    """Distance and confidence of every video, one strip per set, with mean and interval."""
    figure = Figure(figsize=(9, 0.9 + 0.35 * len(report.sets)), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("distance", "confidence"), strict=True):
        for place, kind in enumerate(report.sets):
            values = np.array([getattr(row, name) for row in report.scored_rows(kind)])
            if not len(values):
                continue
            draw_strip(axes, place, values, getattr(report.overall(kind), name), COLOURS[kind])
        label_rows(axes, report.sets)
        better = "lower is better" if name == "distance" else "higher is better"
        axes.set(xlabel=f"{name} ({better})")
    return as_svg(figure)


def offset_plot(report: Report) -> str:
    """Histogram of the videos' offsets, one row per set."""
    figure = Figure(figsize=(9, 0.5 + 0.75 * len(report.sets)), layout="constrained")
    rows = figure.subplots(len(report.sets), 1, sharex=True, squeeze=False)[:, 0]
    edges = np.arange(-report.vshift - 0.5, report.vshift + 1)
    for axes, kind in zip(rows, report.sets, strict=True):
        axes.hist(
            [row.offset for row in report.scored_rows(kind)],
            edges,
            color=COLOURS[kind],
            rwidth=0.85,
        )
        axes.axvspan(-1.5, 1.5, color="black", alpha=0.06, linewidth=0)
        axes.set_ylabel(kind.replace("_", "\n"), rotation=0, ha="right", va="center", fontsize=8)
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=3)
        simplify_axes(axes)
    rows[-1].set_xlabel("offset (frames; negative: the sound comes late); shaded: within 1")
    return as_svg(figure)


def pair_plot(report: Report) -> str | None:
    """Every pair's distance against that of the same video with another speech.

    ``None`` if there are no such pairs.
    """
    other = {row.video: row.distance for row in report.scored_rows(SWAPPED)}
    both = [
        (row.distance, other[row.video])
        for row in report.scored_rows(GENERATED)
        if row.video in other
    ]
    if not both:
        return None
    own, swapped = np.array(both).T
    figure = Figure(figsize=(3.6, 3.4), layout="constrained")
    axes = figure.subplots()
    low, high = float(np.min(both)), float(np.max(both))
    room = 0.05 * (high - low) or 0.1
    ends = [low - room, high + room]
    axes.plot(ends, ends, color="grey", linewidth=0.8)
    axes.scatter(own, swapped, s=22, alpha=0.6, color=COLOURS[GENERATED], linewidth=0)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set(xlabel="distance to its own speech", ylabel="distance to another speech")
    axes.set_title("above the line: the mouth follows", fontsize=9)
    simplify_axes(axes)
    return as_svg(figure)


def reliability_plot(report: Report) -> str | None:
    """Share of real videos found in sync against the judge's stated probability.

    ``None`` without a calibrated judge.
    """
    bins = report.reliability
    if not bins:
        return None
    figure = Figure(figsize=(3.6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    stated, right = ([b[name] for b in bins] for name in ("stated", "right"))
    axes.plot(stated, right, color=COLOURS[REAL], linewidth=1)
    sizes = [20 + 180 * b["n"] / sum(b["n"] for b in bins) for b in bins]
    axes.scatter(stated, right, s=sizes, color=COLOURS[REAL], linewidth=0)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set(xlabel="probability stated", ylabel="share within 1 frame")
    axes.set_title("on the line: as sure as it is right", fontsize=9)
    simplify_axes(axes)
    return as_svg(figure)


def draw_strip(axes: Axes, place: int, values: np.ndarray, mean: Interval, colour: str) -> None:
    """One row of values, with their mean and its interval on top."""
    # Seeded jitter, so that equal values can be told apart.
    beside = np.random.default_rng(place).uniform(-0.22, 0.22, len(values))
    axes.scatter(values, place + beside, s=16, alpha=0.5, color=colour, linewidth=0)
    axes.plot([mean.low, mean.high], [place, place], color="black", linewidth=2)
    axes.plot(mean.mean, place, "o", color="black", markersize=4)


def label_rows(axes: Axes, sets: list[str]) -> None:
    """One row per name, the first on top."""
    axes.set_yticks(range(len(sets)), [kind.replace("_", " ") for kind in sets], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.25)
    simplify_axes(axes)


def simplify_axes(axes: Axes) -> None:
    """No top or right spine; small font."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)


def as_svg(figure: Figure) -> str:
    """A figure as SVG text."""
    text = io.StringIO()
    # A fixed salt for ids, and no date: the text depends only on the numbers.
    with matplotlib.rc_context({"svg.hashsalt": "lipsync", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return text.getvalue()[text.getvalue().index("<svg") :]
