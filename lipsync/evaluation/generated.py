"""Evaluate a generator on pairs of a face and a speech: dub and score, resuming if interrupted.

Every pair is scored in several ways (:data:`lipsync.evaluation.rows.SETS`): the dub; the dub
against another speech; the unchanged face against the dub's speech; the face dubbed with its own
speech, with silence or from other references; and the real video. A generator that ignores the
sound scores the same in the first two; one that copies its reference scores like the third, and
leakage of the old mouth is measured separately (:mod:`lipsync.metrics.leakage`). The judge is given
the original sound, not the dub's encoded track, so that only the images differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lipsync.checkpoints import fingerprint
from lipsync.checkpoints.origin import trained_with
from lipsync.devices import to_device
from lipsync.dubbing.references import reference_choice
from lipsync.errors import ConfigError, LipsyncError
from lipsync.evaluation.folder import RunFolder
from lipsync.evaluation.independence import judge_trained
from lipsync.evaluation.judge import Judge
from lipsync.evaluation.lists import Pair
from lipsync.evaluation.pair import PairScorer, sets_with_pair
from lipsync.evaluation.progress import Progress, with_progress
from lipsync.evaluation.rows import GENERATED, REAL, SETS, Row, problem_of
from lipsync.evaluation.table import Report
from lipsync.evaluation.videos import DEFAULT_JUDGE, Scoring
from lipsync.faces.detect import Detector
from lipsync.faces.tracks import STRIDE
from lipsync.generators.lips import read_generator
from lipsync.generators.quantised import fastest_copy
from lipsync.metrics.frechet import FrechetDistance
from lipsync.metrics.functional import VSHIFT


def evaluate_generator(
    model: str | Path | nn.Module,
    pairs: Sequence[Pair],
    output: str | Path,
    *,
    judge: Judge | str = DEFAULT_JUDGE,
    detector: str | Detector = "centerface",
    stride: int = STRIDE,
    vshift: int = VSHIFT,
    protocol: str = "wild",
    device: str = "cpu",
    reference_frames: str | None = None,
    allow_training_judge: bool = False,
    identity: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Dub every pair with a generator and score it against its baselines and the real videos.

    If any part of a pair cannot be read, dubbed or scored, the pair is reported and left out of the
    means of all sets, so that these are always over the same pairs.

    Args:
        model: a generator, or the name or path of one.
        pairs: what to dub; see :mod:`lipsync.evaluation.lists`.
        output: a folder for dubs and results (:mod:`lipsync.evaluation.folder`). If it holds the
            results of an interrupted run with the same settings, only what is missing is done, and
            the report is the same.
        judge, detector, stride, vshift, protocol, device, progress: as for
            :func:`lipsync.evaluation.evaluate`.
        reference_frames: "auto" or "itself", as for :func:`lipsync.dubbing.dub`.
        allow_training_judge: score also with a judge that trained the generator; every table then
            says so.
        identity: the path of a face recogniser in ONNX, see
            :class:`lipsync.evaluation.recogniser.Recogniser`: adds the measure ``identity``.

    Raises:
        ConfigError: no pairs, a folder with the results of other settings, a bad option, or a judge
            that trained the generator.
        CheckpointError: a model that cannot be loaded.
    """
    if not pairs:
        raise ConfigError("no pairs to evaluate; name a file list or a folder of videos")
    generator = _generator(model, device)
    references = reference_choice(reference_frames, generator.network)
    if isinstance(references, tuple):
        raise ConfigError("reference_frames must be auto or itself when many videos are evaluated")
    how: dict[str, Any] = {"stride": stride, "vshift": vshift, "protocol": protocol}
    scoring = Scoring.from_names(judge, detector, device, identity, **how)
    judge = scoring.judge
    settings = {
        "model": generator.name,
        "model_weights": generator.weights,
        "references": references,
        "judge": judge.name,
        "judge_weights": fingerprint(judge.model),
        "judge_trained_model": judge_trained(
            judge.model, judge.name, generator.name, generator.trained_with, allow_training_judge
        ),
        "protocol": scoring.protocols,
        "detector": scoring.detector.name,
        "stride": stride,
        "vshift": vshift,
        "sets": ", ".join(SETS),
        "pairs": len(pairs),
        "pair_list": _digest(f"{p.video}\t{p.audio}\n" for p in pairs),
    }
    if scoring.recogniser is not None:
        settings["recogniser"] = scoring.recogniser.sha256
    folder = RunFolder(Path(output), settings)
    scorer = PairScorer(generator.network, references, scoring, folder.path, pairs)
    rows: list[Row] = []
    for number in with_progress(range(len(pairs)), progress, lambda number: pairs[number].name):
        rows += folder.rows(number) or _score_pair(folder, scorer, number)
    order = list(SETS)
    rows.sort(key=lambda row: order.index(row.set))  # stable: pairs stay in their order
    frechet = _frechet(folder, rows, pairs, judge)
    return Report(rows, judge.name, scoring.protocols, vshift, settings, frechet, judge.calibration)


def _score_pair(folder: RunFolder, scorer: PairScorer, number: int) -> list[Row]:
    """Score a pair; on failure, return a row with the reason for every set it would be in."""
    try:
        rows, features = scorer.score(number)
    except LipsyncError as error:
        text = problem_of(error)
        name = scorer.pairs[number].name
        return [Row(kind, name, 0, problem=text) for kind in sets_with_pair(scorer.pairs, number)]
    folder.finish(number, rows, features)
    return rows


def _frechet(
    folder: RunFolder, rows: list[Row], pairs: Sequence[Pair], judge: Judge
) -> dict[str, Any] | None:
    """Fréchet distance between the judge's embeddings of generated and real faces."""
    scored = {row.video for row in rows if row.set == GENERATED and not row.problem}
    metric: FrechetDistance | None = None
    for number, pair in enumerate(pairs):
        if pair.name not in scored:
            continue
        for kind, found in folder.features(number):
            name = f"faces as {judge.name} embeds them"
            metric = metric or FrechetDistance(None, name, found.shape[1])
            metric.update(torch.from_numpy(found), real=kind == REAL)
    return metric.compute() if metric is not None else None


@dataclass(frozen=True)
class _Generator:
    """A generator ready for use, the fingerprint of its weights, its name, and what trained it."""

    network: nn.Module
    weights: str
    name: str
    trained_with: dict[str, list[str]] | None


def _generator(model: str | Path | nn.Module, device: str) -> _Generator:
    if isinstance(model, nn.Module):
        return _Generator(model, fingerprint(model), type(model).__name__, trained_with(model))
    module = read_generator(model)
    weights, record = fingerprint(module), trained_with(module)
    return _Generator(fastest_copy(to_device(module, device)), weights, str(model), record)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
