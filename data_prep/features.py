"""Add audio features to existing clips, which are otherwise unchanged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data_prep.engine import check_workers, run_jobs
from data_prep.pool import Failed, writing_to
from lipsync.audio import SAMPLE_RATE
from lipsync.data.clips import Clip
from lipsync.data.store import add_feature, open_clip
from lipsync.errors import ClipError, ConfigError
from lipsync.features import Feature, get_feature


@dataclass(frozen=True)
class AddedFeatures:
    """Result of a run.

    Attributes:
        counts: number of clips that each feature was added to.
        existing: number of clips that already had each feature.
        problems: by clip, why it still lacks features.
    """

    counts: Mapping[Feature, int]
    existing: Mapping[Feature, int]
    problems: Mapping[str, str]

    def __str__(self) -> str:
        lines = [
            f"{feature.name}: added to {count} clips, {self.existing[feature]} already had it"
            for feature, count in self.counts.items()
        ]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems.values())])

    def check(self) -> None:
        """Raise ConfigError if any clip still lacks a feature."""
        if self.problems:
            first = next(iter(self.problems.values()))
            raise ConfigError(f"{len(self.problems)} clips still lack features; the first: {first}")


def parse_features(given: Any) -> list[Feature]:
    """Get features from the option: a list of names, or of mappings with a name and options.

    Raises:
        ConfigError: not such a list, an unknown feature, or invalid options of one.
    """
    if isinstance(given, str | Mapping):
        given = [given]
    if not isinstance(given, list) or not all(isinstance(each, str | Mapping) for each in given):
        raise ConfigError(f"features must be a list of names, got {given!r}")
    return [get_feature(each) for each in given]


def add_features(
    root: str | Path,
    features: Sequence[Feature],
    *,
    workers: int = 2,
    engine: str = "processes",
    ray_address: str | None = None,
    progress: bool = True,
) -> AddedFeatures:
    """Compute features for all clips in a set; features that a clip already has are skipped.

    Files are written atomically, so a killed run can be resumed.

    Args:
        root: a prepared set of folders, or clips in the published layout.
        features: features to add.
        workers, engine, ray_address: see :func:`data_prep.run.prepare`.
        progress: show a progress bar.

    Raises:
        ConfigError: no clips in ``root``, or a feature that cannot be computed on this machine.
        LipsyncError: the set cannot be written.
    """
    check_workers(workers, engine)
    root, counts, problems = Path(root), dict.fromkeys(features, 0), {}
    clips = list(clips_below(root))
    if not clips:
        raise ConfigError(
            f"output={root}: contains no prepared clips; prepare footage with source=DIR"
        )
    lacking = {c.key: [f for f in features if not (c.path / f.file).is_file()] for c in clips}
    todo = [key for key, missing in lacking.items() if missing]
    setup = partial(_setup, root, features)
    if todo:
        for feature in features:
            feature.check_installed()
    jobs = run_jobs(setup, todo, workers, engine, ray_address) if todo else ()
    hidden = not progress or not todo
    with tqdm(jobs, total=len(todo), unit="clip", desc="features", disable=hidden) as bar:
        for key, problem in bar:
            if problem is not None:
                problems[key] = f"{key}: {problem}" if isinstance(problem, Failed) else problem
            for feature in lacking[key]:
                counts[feature] += (root / key / feature.file).is_file()
    existing = {f: sum(f not in missing for missing in lacking.values()) for f in features}
    return AddedFeatures(counts, existing, dict(sorted(problems.items())))


def clips_below(root: Path, key: str = "", option: str = "output") -> Iterator[Clip]:
    """All clips below a folder, sorted by name.

    Raises:
        ConfigError: the folder cannot be read; the message names ``option``.
    """
    try:
        names = sorted(e.name for e in os.scandir(root / key) if e.is_dir())
    except OSError as error:
        raise ConfigError(f"{option}={root / key}: cannot be read ({error.strerror})") from None
    for name in names:
        below = f"{key}/{name}" if key else name
        if name.startswith("."):  # cached stages, and clips being written
            continue
        try:
            yield open_clip(root, below)
        except ClipError:
            yield from clips_below(root, below, option)


def _setup(root: Path, features: Sequence[Feature]) -> Callable[[str], str | None]:
    """Set up a worker: compute each feature once, to load its model and fail early if it cannot."""
    for feature in features:
        feature.extract(np.zeros(SAMPLE_RATE, np.float32))
    return partial(_add, root, features)


def _add(root: Path, features: Sequence[Feature], key: str) -> str | None:
    """Add missing features to a clip; returns the problem if that fails, else None."""
    try:
        with writing_to(root):
            clip = open_clip(root, key)
            for feature in features:
                add_feature(clip, feature)
    except ClipError as error:
        return str(error)
    return None
