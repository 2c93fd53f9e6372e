"""The page of a benchmark: findings, tables, plots, and clips side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lipsync.errors import LipsyncError
from lipsync.evaluation.benchmark.layout import BenchClip
from lipsync.evaluation.benchmark.measures import BASELINES, KINDS, OLD_VIDEO, SYNC
from lipsync.evaluation.benchmark.result import BenchResult
from lipsync.evaluation.clips import pick_evenly, write_side_by_side
from lipsync.evaluation.plots import as_svg, draw_strip, label_rows, simplify_axes
from lipsync.evaluation.rows import REAL
from lipsync.evaluation.text import scaled, write_text
from lipsync.media import read_frames, whole_file
from lipsync.pages import jpeg_bytes, render

_SYSTEMS = ("#1f5fa8", "#c4772f", "#7a5ba6", "#2b8a8a", "#a8496b", "#6b7a2b")
_BASELINES = {REAL: "#3a7d44", OLD_VIDEO: "#8a8d91"}
_FILMS = 3


@dataclass(frozen=True)
class Film:
    """A clip on the page: paths relative to the page, and a caption."""

    video: str
    poster: str
    caption: str


def save_page(result: BenchResult, clips: Sequence[BenchClip], folder: Path) -> Path:
    """Write ``index.html`` and the clips that it shows into a folder."""
    tables = {
        kind: (title, [m for m in result.measures if m.kind == kind])
        for kind, title in KINDS.items()
    }
    page = render(
        "bench.html.j2",
        result=result,
        tables={kind: table for kind, table in tables.items() if table[1]},
        baselines=BASELINES,
        old=OLD_VIDEO,
        real=REAL,
        on_scale=scaled,
        scale_plot=_scale_plot(result),
        distance_plot=_distance_plot(result),
        grouped=[m for m in result.measures if m.kind == SYNC][:3],
        films=_films(result, clips, folder),
        agreements=result.people.agreements(result) if result.people else {},
        scored={s: len(result.values(s, "distance")) for s in result.systems},
    )
    return write_text(folder / "index.html", page)


def _colours(result: BenchResult) -> dict[str, str]:
    return {s: _SYSTEMS[k % len(_SYSTEMS)] for k, s in enumerate(result.systems)}


def _scale_plot(result: BenchResult) -> str:
    """Every measure on one scale: 0 the real videos, 1 the worst baseline."""
    found = {
        measure.title: {s: result.normalised(s, measure) for s in result.systems}
        for measure in result.measures
    }
    found = {title: of for title, of in found.items() if any(of.values())}
    figure = Figure(
        figsize=(9, 1.1 + len(found) * (0.16 + 0.14 * len(result.systems))), layout="constrained"
    )
    axes = figure.subplots()
    for edge in (0, 1):
        axes.axvline(edge, color="grey", linewidth=1)
    for place, of in enumerate(found.values()):
        for number, (system, colour) in enumerate(_colours(result).items()):
            if (mean := of[system]) is None:
                continue
            down = place + 0.5 * ((number + 1) / (len(result.systems) + 1) - 0.5)
            # An interval that went off the plot would squash all the others.
            axes.plot(np.clip([mean.low, mean.high], -0.75, 2.25), [down] * 2, color=colour)
            axes.plot(np.clip(mean.mean, -0.75, 2.25), down, "o", color=colour, markersize=5)
    for system, colour in _colours(result).items():
        axes.plot([], [], "o", color=colour, markersize=5, label=system)
    axes.set(xlim=(-0.8, 2.3), xlabel="0: real videos; 1: the worst baseline")
    label_rows(axes, list(found))
    axes.legend(fontsize=8, frameon=False, loc="upper right")
    return as_svg(figure)


def _distance_plot(result: BenchResult) -> str:
    """Every clip's distance, one strip per system, between the baselines."""
    colours = {REAL: _BASELINES[REAL], **_colours(result), OLD_VIDEO: _BASELINES[OLD_VIDEO]}
    figure = Figure(figsize=(9, 0.9 + 0.35 * len(colours)), layout="constrained")
    axes = figure.subplots()
    distance = next(m for m in result.measures if m.name == "distance")
    for place, (kind, colour) in enumerate(colours.items()):
        if mean := result.mean(kind, distance):
            draw_strip(
                axes, place, np.array([*result.values(kind, "distance").values()]), mean, colour
            )
    label_rows(axes, list(colours))
    axes.set(xlabel="distance (lower is better)")
    simplify_axes(axes)
    return as_svg(figure)


def _films(result: BenchResult, clips: Sequence[BenchClip], folder: Path) -> list[Film]:
    """Clips with the smallest, median and largest distance among those that all systems have."""
    values = [result.values(system, "distance") for system in result.systems]
    means = {
        clip.name: float(np.mean([of[clip.name] for of in values]))
        for clip in clips
        if all(clip.name in of for of in values)
    }
    order = sorted(means, key=lambda name: (means[name], name))
    by_name = {clip.name: clip for clip in clips}
    films = []
    for place, why in pick_evenly(len(order), _FILMS).items():
        clip = by_name[order[place]]
        dubs = [clip.dubs[system] for system in result.systems]
        about = [f"{p}{p.stat().st_size}{p.stat().st_mtime_ns}" for p in (clip.real, *dubs)]
        key = hashlib.sha256("".join(about).encode()).hexdigest()[:12]
        video, poster = (f"clips/{key}.{ending}" for ending in ("mp4", "jpg"))
        try:
            write_side_by_side([clip.real, *dubs], clip.sound or dubs[0], folder / video)
            if not (folder / poster).exists():
                with whole_file(folder / poster) as temporary:
                    temporary.write_bytes(jpeg_bytes(next(read_frames(folder / video))[1]))
        except LipsyncError:  # the numbers do not depend on it
            continue
        distances = ", ".join(
            f"{s} {of[clip.name]:.3f}" for s, of in zip(result.systems, values, strict=True)
        )
        films.append(Film(video, poster, f"{why}: {clip.name}; {distances}"))
    return films
