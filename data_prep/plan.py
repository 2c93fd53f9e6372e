"""Estimates for a folder of footage from a sample: preparation, training and costs.

The experiment is that of ``expert-open``, the first network to train on new footage: it then
rechecks the footage's sync, and generators are trained against it.
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
from data_prep.stretches import SampledFile
from lipsync.errors import ConfigError
from lipsync.options import check_options, option
from lipsync.windows import FPS

FRAMING = "aligned_tight"
MIN_SECONDS = 1.5  # the expert trains on windows of 1.44 s
SIZES = (96, 128, 192, 256)  # crop sizes, pixels
_BATCH, _BATCHES = 16, 12353  # batch size and number of batches of expert-open
_PASSES = 4  # minimum number of epochs; a large set therefore gets more batches
_EXTRA = 0.3  # gigabytes of audio and features per hour
GPUS = (1, 8)
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Prices:
    """Prices in US dollars."""

    core_hour: float = option(0.04, least=0)
    gpu_hour: float = option(3.0, least=0)
    gigabyte_month: float = option(0.02, least=0)

    __post_init__ = check_options


@dataclass(frozen=True)
class Speed:
    """Training speed: ``clips_a_second`` on one ``gpu`` with crops of ``image_size`` pixels.

    ``scaling`` is the efficiency with several GPUs: n of them are ``n * scaling`` times as fast.
    """

    gpu: str = "H200"
    clips_a_second: float = option(366, least=0.1)
    image_size: int = option(128, least=16)
    scaling: float = option(0.9, least=0.1, most=1)

    __post_init__ = check_options


@dataclass(frozen=True)
class Plan:
    """Estimates for all of the footage, from a sample.

    Attributes:
        files, hours: number of files and their total length.
        kept_hours, clips: total length and number of clips of the prepared set.
        image_size: side of the crops in pixels.
        min_face: minimum height of a face in pixels.
        reasons: seconds of the sample by reason for rejection; ``kept`` is one of them.
        verdicts: number of sampled clips, by the judge's verdict.
        core_hours: CPU core hours of the preparation.
        gigabytes: size of the prepared set.
        batches: training steps on one GPU; eight GPUs need an eighth.
        train_hours: training time in hours, by number of GPUs.
        costs: in US dollars, by item.
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


def estimate_plan(
    sample: list[SampledFile],
    files: int,
    limits: Limits | None,
    options: Options,
    prices: Prices,
    speed: Speed,
) -> Plan:
    """Estimate the plan for ``files`` videos from a sample of them.

    Raises:
        ConfigError: the sample yields no clip.
    """
    examined_seconds = sum(file.examined_seconds for file in sample)
    pieces = [
        (piece, verdict(score, limits), crop)
        for file in sample
        for piece, score, crop in zip(file.pieces, file.scores, file.crops, strict=True)
    ]
    crops = [crop for piece, _, crop in pieces if not piece.reason]
    if not crops:
        problems = Counter(
            file.problem or next((piece.reason for piece in file.pieces), "") for file in sample
        )
        summary = ", ".join(f"{count} {reason}" for reason, count in problems.most_common(3))
        raise ConfigError(
            f"none of {len(sample)} sampled files yields a clip ({summary}); raise seconds= (read "
            "more of each file) or files= (sample more files)"
        )
    # upscale the median crop by at most 10%
    image_size = max([s for s in SIZES if s <= 1.1 * float(np.median(crops))], default=SIZES[0])
    min_face = max(round(options.min_face), image_size // 2)
    reasons, lengths = Counter[str](), []
    for piece, _, _ in pieces:
        reason = piece.reason or ("small" if piece.face_size < min_face else "")
        reasons[reason or "kept"] += len(piece) / FPS
        lengths += [] if reason else [len(piece) / FPS]
    hours = files * float(np.mean([file.seconds for file in sample])) / 3600
    kept_hours = hours * min(1.0, sum(lengths) / max(examined_seconds, 1e-9))
    # underestimates the length of clips that a sampled stretch cuts short
    clip = min(options.max_seconds, float(np.mean(lengths or [options.max_seconds])))
    clips = max(1, round(kept_hours * 3600 / clip))
    batches = max(_BATCHES, _PASSES * clips // _BATCH)
    cpu = sum(file.cpu for file in sample) / max(examined_seconds, 1e-9)
    gigabytes = kept_hours * (image_size**2 * 3 * FPS * 3600 / 1e9 + _EXTRA)
    clips_per_second = speed.clips_a_second * (speed.image_size / image_size) ** 2
    one_gpu_hours = batches * _BATCH / clips_per_second / 3600
    train_hours = {n: one_gpu_hours / (1 if n == 1 else n * speed.scaling) for n in GPUS}
    return Plan(
        files, hours, kept_hours, clips, image_size, min_face,
        {reason: s for reason, seconds in reasons.most_common() if (s := round(seconds, 1))},
        {v: n for v, n in Counter(v for _, v, _ in pieces).items() if v != NOT_JUDGED},
        cpu * hours, gigabytes, batches, train_hours,
        {
            "preparation": cpu * hours * prices.core_hour,
            "storage, a month": gigabytes * prices.gigabyte_month,
            **{f"training on {n}": n * h * prices.gpu_hour for n, h in train_hours.items()},
        },
    )  # fmt: skip


def verdict(score: dict | None, limits: Limits | None) -> str:
    """The judge's verdict on one clip, in a few words."""
    if score is None or limits is None:
        return NOT_JUDGED
    if not limits.sure(score):
        return "unsure"
    offset = abs(score["offset"])
    return "in sync" if offset == 0 else "one frame off" if offset == 1 else "further off"


def prepare_command(
    plan: Plan, source: Path, prepared: str, judge: str | None, workers: int
) -> str:
    """Command that prepares all of the footage."""
    arguments = {
        "source": source, "output": prepared, "image_size": plan.image_size, "framing": FRAMING,
        "min_seconds": MIN_SECONDS, "min_face": plan.min_face, "workers": workers,
        "judge": judge or "null",
    }  # fmt: skip
    words = [f"{name}={value}" for name, value in arguments.items()]
    return shlex.join(["python", "-m", "data_prep", *words])


def experiment(plan: Plan, name: str, prepared: str, source: str) -> str:
    """YAML of an experiment that trains on the prepared set."""
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


def as_json(plan: Plan, sample: list[SampledFile]) -> dict[str, Any]:
    """The plan and the measurements of the sample, as JSON."""
    return {
        **vars(plan),
        "sample": [
            {
                "name": file.name, "size": list(file.size), "fps": round(file.fps, 3),
                "seconds": file.seconds, "looked": file.examined_seconds, "cpu": round(file.cpu, 2),
                "sound": round(file.sound, 3), "problem": file.problem,
                "clips": [
                    {"seconds": len(piece) / FPS, "reason": piece.reason, "crop": round(crop, 1),
                     **piece.measures, **(score or {})}
                    for piece, score, crop in zip(file.pieces, file.scores, file.crops, strict=True)
                ],
            }
            for file in sample
        ],
    }  # fmt: skip
