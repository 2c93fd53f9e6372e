"""What a sample of footage says of the whole: how to prepare it, how to train on it, what it costs.

The experiment is that of ``expert-open``, the first network that new footage needs: with it the
sync of the footage is checked again, and generators are trained against it.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.active_speaker import Limits
from data_prep.options import Options
from data_prep.stretches import Sampled
from lipsync.errors import ConfigError
from lipsync.options import check_options, option
from lipsync.windows import FPS

FRAMING = "aligned_tight"
MIN_SECONDS = 1.5  # a stretch of the expert's training is 1.44 s
SIZES = (96, 128, 192, 256)  # of crops, pixels
_BATCH, _BATCHES = 16, 12353  # of expert-open
_PASSES = 4  # over a set for which that is less
_EXTRA = 0.3  # gigabytes an hour of sound and features
GPUS = (1, 8)
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Prices:
    """In dollars."""

    core_hour: float = option(0.04, least=0)
    gpu_hour: float = option(3.0, least=0)
    gigabyte_month: float = option(0.02, least=0)

    __post_init__ = check_options


@dataclass(frozen=True)
class Speed:
    """Of training: ``clips_a_second`` on one ``gpu`` with crops of ``image_size``."""

    gpu: str = "H200"
    clips_a_second: float = option(366, least=0.1)
    image_size: int = option(128, least=16)
    scaling: float = option(0.9, least=0.1, most=1)

    __post_init__ = check_options


@dataclass(frozen=True)
class Plan:
    """What all of the footage is taken to hold and need, by its sample.

    Attributes:
        files, hours: of the footage. kept_hours, clips: of the set that it would give.
        image_size: side of the crops, pixels. min_face: least height of a face.
        reasons: seconds of the sample that are left out, by reason.
        verdicts: clips of the sample by what the judge says of them.
        core_hours, gigabytes: of preparation, and of the set.
        batches: steps of training on one GPU; with eight an eighth of them.
        train_hours: by the number of GPUs. costs: in dollars, by what they are for.
    """

    files: int
    hours: float
    kept_hours: float
    clips: int
    image_size: int
    min_face: int
    reasons: dict[str, float]
    verdicts: dict[str, int]
    core_hours: float
    gigabytes: float
    batches: int
    train_hours: dict[int, float]
    costs: dict[str, float]


def planned(
    found: list[Sampled],
    files: int,
    limits: Limits | None,
    options: Options,
    prices: Prices,
    speed: Speed,
) -> Plan:
    """The plan for ``files`` videos, of which a sample was looked at.

    Raises:
        ConfigError: the sample has no second that could be used.
    """
    looked = sum(one.looked for one in found)
    pieces = [
        (piece, verdict(score, limits), crop)
        for one in found
        for piece, score, crop in zip(one.pieces, one.scores, one.crops, strict=True)
    ]
    crops = [crop for piece, _, crop in pieces if not piece.reason]
    if not crops:
        found_out = Counter(
            one.problem or next((piece.reason for piece in one.pieces), "") for one in found
        )
        told = ", ".join(f"{count} {reason}" for reason, count in found_out.most_common(3))
        raise ConfigError(
            f"none of {len(found)} sampled files yields a clip ({told}); raise seconds= (read "
            "more of each file) or files= (sample more files)"
        )
    # crops are made larger by no more than a tenth
    image_size = max([s for s in SIZES if s <= 1.1 * float(np.median(crops))], default=SIZES[0])
    min_face = max(round(options.min_face), image_size // 2)
    reasons, lengths = Counter[str](), []
    for piece, _, _ in pieces:
        reason = piece.reason or ("small" if piece.face_size < min_face else "")
        reasons[reason or "kept"] += len(piece) / FPS
        lengths += [] if reason else [len(piece) / FPS]
    hours = files * float(np.mean([one.seconds for one in found])) / 3600
    kept_hours = hours * min(1.0, sum(lengths) / max(looked, 1e-9))
    # a stretch cuts clips short that are longer in the whole
    clip = min(options.max_seconds, float(np.mean(lengths or [options.max_seconds])))
    clips = max(1, round(kept_hours * 3600 / clip))
    batches = max(_BATCHES, _PASSES * clips // _BATCH)
    cpu = sum(one.cpu for one in found) / max(looked, 1e-9)
    gigabytes = kept_hours * (image_size**2 * 3 * FPS * 3600 / 1e9 + _EXTRA)
    pace = speed.clips_a_second * (speed.image_size / image_size) ** 2
    alone = batches * _BATCH / pace / 3600
    train_hours = {n: alone / (1 if n == 1 else n * speed.scaling) for n in GPUS}
    return Plan(
        files, hours, kept_hours, clips, image_size, min_face,
        {reason: s for reason, seconds in reasons.most_common() if (s := round(seconds, 1))},
        {told: n for told, n in Counter(t for _, t, _ in pieces).items() if told != NOT_JUDGED},
        cpu * hours, gigabytes, batches, train_hours,
        {
            "preparation": cpu * hours * prices.core_hour,
            "storage, a month": gigabytes * prices.gigabyte_month,
            **{f"training on {n}": n * h * prices.gpu_hour for n, h in train_hours.items()},
        },
    )  # fmt: skip


def verdict(score: dict | None, limits: Limits | None) -> str:
    """What the judge says of one clip, in a word or two."""
    if score is None or limits is None:
        return NOT_JUDGED
    if not limits.sure(score):
        return "unsure"
    offset = abs(score["offset"])
    return "in sync" if offset == 0 else "one frame off" if offset == 1 else "further off"


def prepare_command(
    plan: Plan, source: Path, prepared: str, judge: str | None, workers: int
) -> str:
    """The command that prepares all of the footage."""
    arguments = {
        "source": source, "output": prepared, "image_size": plan.image_size, "framing": FRAMING,
        "min_seconds": MIN_SECONDS, "min_face": plan.min_face, "workers": workers,
        "judge": judge or "null",
    }  # fmt: skip
    words = [f"{name}={value}" for name, value in arguments.items()]
    return shlex.join(["python", "-m", "data_prep", *words])


def experiment(plan: Plan, name: str, prepared: str, source: str) -> str:
    """The YAML of a training on the prepared set."""
    val_every = max(1, plan.batches // 6)
    hours = ", ".join(
        f"{hours:.1f} h on {n} GPU{'s' * (n > 1)}" for n, hours in plan.train_hours.items()
    )
    return f"""\
# @package _global_
# An expert for {source.replace(chr(10), " ")}, by python -m data_prep plan:
# {plan.kept_hours:.1f} hours in {plan.clips} clips; {hours}.
# On n GPUs: trainer.gpus=n trainer.batches={plan.batches}/n
defaults:
  - override /model: long_syncnet
  - override /data: folder
name: {json.dumps(name)}
data:
  root: {json.dumps(prepared)}
  image_size: {plan.image_size}
  framing: {FRAMING}
  batch_size: {_BATCH}
  workers: 4
  train: {{balance: 0.5}}
model:
  expert: {{width: 1.5}}
trainer: {{batches: {plan.batches}, val_every: {val_every}, ema: 0.999}}
test: true
"""


def as_json(plan: Plan, found: list[Sampled]) -> dict[str, Any]:
    """Everything that was found, for programs."""
    return {
        **vars(plan),
        "sample": [
            {
                "name": one.name, "size": list(one.size), "fps": round(one.fps, 3),
                "seconds": one.seconds, "looked": one.looked, "cpu": round(one.cpu, 2),
                "sound": round(one.sound, 3), "problem": one.problem,
                "clips": [
                    {"seconds": len(piece) / FPS, "reason": piece.reason, "crop": round(crop, 1),
                     **piece.measures, **(score or {})}
                    for piece, score, crop in zip(one.pieces, one.scores, one.crops, strict=True)
                ],
            }
            for one in found
        ],
    }  # fmt: skip
