"""Run a benchmark: score every clip of the folder, in one or more processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lipsync.checkpoints import fingerprint
from lipsync.errors import ConfigError, check_whole
from lipsync.evaluation.benchmark.cache import ScoreCache
from lipsync.evaluation.benchmark.layout import BenchClip, read_folder
from lipsync.evaluation.benchmark.origin import judge_trained_dubs
from lipsync.evaluation.benchmark.page import save_page
from lipsync.evaluation.benchmark.people import read_answers
from lipsync.evaluation.benchmark.result import PROTOCOL, BenchResult
from lipsync.evaluation.benchmark.scoring import ClipScorer
from lipsync.evaluation.benchmark.study import TRIALS, write_study
from lipsync.evaluation.judge import Judge
from lipsync.evaluation.progress import Progress, with_progress
from lipsync.evaluation.reading import Reading
from lipsync.evaluation.rows import Row
from lipsync.evaluation.videos import DEFAULT_JUDGE, Scoring
from lipsync.faces.detect import Detector
from lipsync.faces.tracks import STRIDE
from lipsync.metrics.functional import VSHIFT


def bench(
    folder: str | Path,
    output: str | Path,
    *,
    systems: Sequence[str] | None = None,
    failed: Sequence[Row] = (),
    judge: Judge | str = DEFAULT_JUDGE,
    reader: str | Path | None = None,
    identity: str | Path | None = None,
    detector: str | Detector = "centerface",
    stride: int = STRIDE,
    vshift: int = VSHIFT,
    device: str = "cpu",
    workers: int = 1,
    study: bool = False,
    seed: int = 0,
    trials: int = TRIALS,
    answers: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> BenchResult:
    """Score the dubs of one or more systems against real videos and baselines.

    The baselines are made here: the real videos re-encoded as H.264 at three qualities, and the
    real videos with the new sound, the worst possible dub. Dubs that cannot be compared with their
    real video are reported and left out of the means.

    Args:
        folder: laid out as described in :mod:`lipsync.evaluation.benchmark.layout`.
        output: a folder for ``index.html``, ``numbers.csv``, ``summary.json``, ``clips/`` and
            ``scores/``, which also caches earlier scores.
        systems: the systems to score; by default all in the folder.
        failed: reasons for missing dubs, as returned by :func:`lipsync.evaluation.make_dubs`.
        judge, detector, stride, vshift, device, progress: as for
            :func:`lipsync.evaluation.evaluate`.
        reader: the path or name of a lip reader, for clips with transcripts in ``clips.csv``:
            ``text`` of the new sound, ``real_text`` of the real video's own.
        identity: the path of a face recogniser in ONNX, see
            :class:`lipsync.evaluation.recogniser.Recogniser`: adds the measure ``identity``.
        workers: number of processes.
        study: also write a blind study into ``study/``.
        seed: seed of the study's order and sides.
        trials: maximum number of pairs per participant.
        answers: files saved by the study's page; the preferences are shown with the metrics.

    Raises:
        ConfigError: a folder without real videos or dubs, a bad option, answers of another study,
            or no dub that could be scored.
        CheckpointError: a judge that cannot be loaded.
    """
    output = Path(output)
    if output.is_file() or output.resolve() == Path(folder).resolve():
        raise ConfigError(f"{output}: cannot be used for the page; name another folder with -o")
    least = {"workers": workers, "stride": stride, "vshift": vshift, "trials": trials}
    for name, value in least.items():
        check_whole(name, value, 1)
    check_whole("seed", seed, 0)
    people = read_answers(answers, output) if answers else None
    found = read_folder(folder, systems, output)
    options: dict[str, Any] = {"judge": judge, "detector": detector, "stride": stride}
    options |= {"vshift": vshift, "identity": identity}
    scorer = _make_scorer(reader, device, **options)
    loaded, reading = scorer.scoring.judge, scorer.reading
    protocol = f"{PROTOCOL}; {scorer.scoring.protocols}"
    settings = {
        "judge_weights": fingerprint(loaded.model),
        "detector": scorer.scoring.detector.name,
        "stride": stride,
        "vshift": vshift,
    }
    if scorer.scoring.recogniser is not None:
        settings["recogniser"] = scorer.scoring.recogniser.sha256
    if reading is not None:
        settings |= {"reader": reading.name, "reader_weights": reading.sha256}
        check_texts(reading, found.clips)
    cache = ScoreCache(output, f"{protocol} {settings}")
    clips = found.clips
    trained = {
        system: judge_trained_dubs(
            loaded, [clip.dubs[system] for clip in clips if system in clip.dubs]
        )
        for system in found.systems
    }
    others = [clip.real for clip in (*clips[1:], clips[0])]
    known = {(row.set, row.video): row for row in failed}
    rows = [known.get((row.set, row.video), row) for row in found.problems]
    jobs = [(clip, other, cache) for clip, other in zip(clips, others, strict=True)]
    if workers == 1:
        scored: Iterator[list[Row]] = (scorer.score(*job) for job in jobs)
    else:
        scored = _score_in_parallel(jobs, workers, partial(_make_scorer, reader, device, **options))
    for _ in with_progress(clips, progress, lambda clip: clip.name):
        rows += next(scored)
    about = {clip.name: clip.groups for clip in clips}
    result = BenchResult(
        rows, found.systems, about, loaded.name, protocol, vshift, settings, trained, people
    )
    result.check()
    result.save(output)
    if study:
        write_study(result, clips, output, seed, trials)
    save_page(result, clips, output)
    return result


def check_texts(reading: Reading, clips: Sequence[BenchClip]) -> None:
    """Refuse a benchmark without transcripts, or with one outside the lip reader's vocabulary.

    Raises:
        ConfigError: names the column, or the clip and its text.
    """
    if not any(text for clip in clips for text in clip.texts):
        raise ConfigError("--reader: needs a column text in clips.csv with what the new sounds say")
    for clip in clips:
        for text in filter(None, clip.texts):
            try:
                reading.check_text(text)
            except ConfigError as error:
                raise ConfigError(f"clips.csv: {clip.name}: {error}") from None


Job = tuple[BenchClip, Path, ScoreCache]


def _make_scorer(reader: str | Path | None, device: str, **options: Any) -> ClipScorer:
    reading = None if reader is None else Reading(reader, device)
    return ClipScorer(Scoring.from_names(device=device, **options), reading)


def _score_in_parallel(
    jobs: list[Job], workers: int, scorer: Callable[[], ClipScorer]
) -> Iterator[list[Row]]:
    """Each clip's rows, in order, from several processes, each with its own judge and detector."""
    context = multiprocessing.get_context("spawn")  # forking under torch's threads can hang
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=_init_worker, initargs=(scorer,)
    )
    try:
        yield from pool.map(_score_job, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


_SCORER: list[ClipScorer] = []


def _init_worker(scorer: Callable[[], ClipScorer]) -> None:
    torch.set_num_threads(1)
    _SCORER.append(scorer())


def _score_job(job: Job) -> list[Row]:
    return _SCORER[0].score(*job)
