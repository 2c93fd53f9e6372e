"""Calibrate a judge on prepared clips that are in sync, and save the result in its file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lipsync.checkpoints.saving import save_card
from lipsync.data.store import open_clip, read_split
from lipsync.errors import CheckpointError, ClipError, ConfigError
from lipsync.evaluation.calibration import LEVEL, Calibration, Errors, fit, reliability
from lipsync.evaluation.judge import Judge
from lipsync.evaluation.judges import as_judge
from lipsync.evaluation.progress import Progress, with_progress
from lipsync.evaluation.text import aligned
from lipsync.metrics.functional import sync_score
from lipsync.windows import FPS

_SHIFT = 10  # maximum shift of the sound, frames
_SECONDS = (1.0, 2.0)  # lengths scored, in addition to the whole clip
_LEAST = 8  # minimum number of clips
_FOLDS = 5  # for a single speaker


def calibrate(
    judge: Judge | str,
    root: str | Path,
    splits: Sequence[str] = ("val",),
    *,
    without: Sequence[str] = (),
    level: float = LEVEL,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Calibration:
    """Calibrate a judge's confidence on the people of a prepared set.

    Every clip is scored at several lengths with its own sound, shifted by up to ten frames, and
    with another clip's. Use people that the judge was not trained on: it is overconfident on those
    that it has seen. The errors come from leave-one-speaker-out cross-validation.

    Args:
        judge: a judge, or the path or name of one.
        root: a prepared set whose clips are in sync.
        splits: lists of its clips.
        without: speakers to leave out, such as those that the judge was trained on.
        level: minimum probability for a verdict.
        device: for a judge given by name.
        progress: called with a clip's name, clips done and clips in total.

    Raises:
        ConfigError: fewer than eight clips that can be scored, clips of another framing, a level
            that is not a probability, or a judge whose confidence is uninformative on them.
    """
    if not 0.5 <= level < 1:
        raise ConfigError(f"level={level}: must be a probability, at least 0.5 and below 1")
    judge = as_judge(judge, device)
    listed = [key for split in splits for key in read_split(root, split)]
    keys = [key for key in listed if key.split("/")[0] not in without]
    embedded: list[tuple[str, Tensor, Tensor]] = []
    for key in with_progress(keys, progress, str):
        try:
            clip = open_clip(root, key, side=judge.face_size)
            embedded.append((clip.speaker, *judge.embed(judge.faces(clip), clip.wave)))
        except (ClipError, ValueError):  # damaged, or too short for a window
            continue
    if len(embedded) < _LEAST:
        raise ConfigError(
            f"{len(embedded)} of {len(keys)} clips can be scored, but calibration needs at least "
            f"{_LEAST}; choose other splits than {', '.join(splits)}, or another set"
        )
    trials = _trials(embedded, judge.window)
    weights = fit(*_columns(trials))
    if weights[1] <= 0:
        raise ConfigError(
            f"the confidence of judge {judge.name} does not predict whether its offset is right "
            "on these clips; use another judge, or clips that are in sync"
        )
    constant, slope, growth = (round(float(weight), 6) for weight in weights)
    people = sorted({speaker for speaker, *_ in embedded})
    counts = trials["windows"]
    first = Calibration(
        judge.window,
        (constant, slope, growth),
        (int(counts.min()), int(counts.max())),
        level,
        people,
        len(embedded),
        "speakers" if len(people) > 1 else "clips",
    )
    stated = _held_out(trials, first.left_out)
    return replace(
        first,
        errors=_errors(trials, stated >= level, judge.window),
        bins=reliability(stated, trials["right"]),
    )


def calibrate_file(
    judge: str, root: str | Path, output: str | Path | None = None, **options: Any
) -> Calibration:
    """:func:`calibrate` a judge and save the result in the card of its file.

    Args:
        judge: the path or name of a judge.
        root, options: as for :func:`calibrate`.
        output: the ``.safetensors`` to write; None for the judge's own file.

    Raises:
        ConfigError, CheckpointError: as :func:`calibrate`; or the file has no card and no
            output is given.
    """
    output = Path(judge if output is None else output)
    if output.suffix != ".safetensors":
        raise CheckpointError(
            output, "has no card to store the calibration in", "name a .safetensors file with -o"
        )
    found = calibrate(judge, root, **options)
    save_card(judge, output, {"calibration": found.as_dict()})
    return found


def calibration_table(found: Calibration) -> str:
    """Aligned text: the errors by length, and the reliability table."""
    head = ("length", "clips", "in sync, unsure", "sure, wrong offset", "sure, other sound")
    shares = [
        [f"{e.seconds:.1f} s", str(e.clips), *(f"{v:.1%}" for v in (e.unsure, e.wrong, e.taken))]
        for e in found.errors
    ]
    right = [
        [f"{b['from']:g} to {b['to']:g}", str(b["n"]), f"{b['stated']:.2f}", f"{b['right']:.2f}"]
        for b in found.bins
    ]
    columns = ("stated", "scored", "mean stated", "share right")
    title = f"{found}; errors with {found.left_out} left out of the fit"
    return "\n".join(
        [title, *aligned(head, shares, right=head), "", *aligned(columns, right, right=columns)]
    )


def _trials(embedded: list[tuple[str, Tensor, Tensor]], window: int) -> dict[str, np.ndarray]:
    """Clips at all lengths, with their own shifted sound and with another's; columns (n,)."""
    rng = np.random.default_rng(0)
    rows: list[tuple] = []
    for number, (speaker, video, audio) in enumerate(embedded):
        other = embedded[(number + rng.integers(1, len(embedded))) % len(embedded)][2]
        for seconds in (*_SECONDS, None):
            # pair the window at frame i with the sound `shift` frames later
            shift = int(rng.integers(-_SHIFT, _SHIFT + 1))
            room = len(video) - abs(shift)
            count = room if seconds is None else round(seconds * FPS) - window + 1
            if not 0 < count <= room:
                continue
            begin = max(0, -shift) + int(rng.integers(0, room - count + 1))
            seen = video[begin : begin + count]
            own = sync_score(seen, audio[begin + shift : begin + shift + count])
            right = abs(own.offset - shift) <= 1
            length = 0.0 if seconds is None else seconds
            rows.append((number, speaker, length, count, True, right, own.confidence))
            some = min(count, len(other))
            wrong = sync_score(seen[:some], other[:some])
            rows.append((number, speaker, length, some, False, False, wrong.confidence))
    names = ("clip", "speaker", "seconds", "windows", "own", "right", "confidence")
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}


def _columns(trials: dict[str, np.ndarray]) -> Iterable[np.ndarray]:
    return (trials[name] for name in ("confidence", "windows", "right"))


def _held_out(trials: dict[str, np.ndarray], left_out: str) -> np.ndarray:
    """(n,) cross-validated probabilities."""
    groups = trials["speaker"] if left_out == "speakers" else trials["clip"] % _FOLDS
    stated = np.zeros(len(groups))
    for group in np.unique(groups):
        out = groups == group
        weights = fit(*(column[~out] for column in _columns(trials)))
        counts = trials["windows"]
        limits = int(counts.min()), int(counts.max())
        one = Calibration(0, tuple(weights), limits, LEVEL, [], 0, left_out)
        pairs = zip(trials["confidence"][out], counts[out], strict=True)
        stated[out] = [one.probability(confidence, n) for confidence, n in pairs]
    return stated


def _errors(trials: dict[str, np.ndarray], sure: np.ndarray, window: int) -> list[Errors]:
    """By length; whole clips last, with their median length."""
    found = []
    lengths = sorted(set(trials["seconds"]) - {0.0})
    for seconds in (*lengths, 0.0):
        some = trials["seconds"] == seconds
        own, other = some & trials["own"], some & ~trials["own"]
        if not own.any():
            continue
        wrong = sure[own] & ~trials["right"][own]
        duration = seconds or (float(np.median(trials["windows"][own])) + window - 1) / FPS
        shares = (~sure[own]).mean(), wrong.mean(), sure[other].mean()
        found.append(
            Errors(round(duration, 1), int(own.sum()), *(round(float(s), 4) for s in shares))
        )
    return found
