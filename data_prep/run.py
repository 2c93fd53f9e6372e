"""Prepare a folder of videos: scan it, process what is new, write the manifest and split lists."""

from __future__ import annotations

import functools
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from data_prep.clip import prepare_source
from data_prep.corpora import is_grid
from data_prep.engine import check_workers, run_jobs
from data_prep.examine import Tools
from data_prep.finish import Summary, finish
from data_prep.manifest import KEPT, REJECTED, Row, Rows, read_manifest
from data_prep.options import STAGES, Options
from data_prep.pool import Failed
from data_prep.scan import Source, scan
from data_prep.splits import check_lists, check_splits
from data_prep.state import State, picture_in
from lipsync.data.shard_index import NAME
from lipsync.data.store import clip_path
from lipsync.errors import ConfigError, LipsyncError
from lipsync.faces.detect import get_detector
from lipsync.faces.roll import RollAwareDetector


def prepare(
    source: str | Path,
    output: str | Path,
    options: Options | None = None,
    *,
    workers: int = 2,
    engine: str = "processes",
    ray_address: str | None = None,
    splits: dict[str, float | list[str]] | None = None,
    redo: str | None = None,
    reader: str | None = None,
    progress: bool = True,
) -> Summary:
    """Prepare all videos in a folder.

    Resumes: skips files that were finished with the same options and have not changed since, and
    cached stages of the others. A problem with one file becomes its row in
    ``<output>/manifest.jsonl``; ``<output>/report.html`` summarises the set.

    Args:
        source: folder of videos, ``<speaker>/<clip>.<ext>``.
        output: folder of the prepared set; nothing is written outside it.
        options: options of the clips.
        workers: number of workers, of one thread each; 0 runs in this process.
        engine: ``processes`` for local processes, or ``ray``, see :mod:`data_prep.cluster`.
        ray_address: address of a running Ray cluster; None starts one on this machine.
        splits: splits to draw if the source has no lists, see
            :func:`data_prep.splits.write_splits`; None draws 5% each for val and test.
        redo: repeat this stage and the later ones for all files, see
            :data:`data_prep.options.STAGES`.
        reader: name of a corpus's reader, see :mod:`data_prep.readers`; None goes by the folders.
        progress: show a progress bar.

    Raises:
        ConfigError: no source, no video in it, unusable split lists, or invalid options.
        CheckpointError: the judge cannot be loaded.
        LipsyncError: the output cannot be written.
    """
    source, output, options = Path(source), Path(output), options or Options()
    shares = {"val": 0.05, "test": 0.05} if splits is None else splits
    check_run(workers, engine, redo, shares)
    sources = scan(source, reader)
    check_lists(source, sources, shares)
    options = resolve_cuts(options, sources)
    if output.resolve() == source.resolve():
        raise ConfigError(f"output={output}: is the source folder; name another folder")
    if (output / NAME).exists():
        raise ConfigError(f"output={output}: contains shards; add to them with form=shards")
    digest = check_judge(options)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output={output}: cannot be created ({error.strerror})") from None

    run_all = functools.partial(run_jobs, workers=workers, engine=engine, address=ray_address)
    run = _Run(output, options, digest, sources, run_all, progress)
    try:
        if redo is not None:
            for item in run.sources:
                State(output, item.key).forget(redo)
        run.work(run.todo())
        run.replace_lost()
        keys = {item.name: item.key for item in sources}

        def picture(name: str, place: int) -> np.ndarray | None:
            return picture_in(State(output, keys[name]).pictures(), place) if keys[name] else None

        return finish(source, output, run.finished(), sources, shares, options, picture, run.done)
    except OSError as error:
        raise LipsyncError(f"output={output}: cannot be written ({error.strerror})") from error


def check_run(workers: int, engine: str, redo: str | None, shares: Any) -> None:
    """Raise ConfigError if an option of a run is invalid."""
    check_workers(workers, engine)
    if redo is not None and redo not in STAGES:
        raise ConfigError(f"redo={redo}: must be one of {', '.join(STAGES)}")
    check_splits(shares)


def resolve_cuts(options: Options, sources: Sequence[Source]) -> Options:
    """Resolve ``cuts=None`` by the corpus: ``reject`` for GRID, else ``split``."""
    if options.cuts is not None:
        return options
    one_take = is_grid([item.name for item in sources])
    return replace(options, cuts="reject" if one_take else "split")


class _Run:
    """The sources of one run and their rows; ``run_all`` runs jobs, see :func:`run_jobs`."""

    def __init__(
        self,
        output: Path,
        options: Options,
        digest: str,
        sources: list[Source],
        run_all: Callable[..., Iterator],
        progress: bool,
    ) -> None:
        self.output, self.options, self.digest = output, options, digest
        self.run_all, self.progress = run_all, progress
        self.sources = [item for item in sources if item.key]
        self.done = 0
        self.rows = Rows()
        for item in sources:
            if not item.key:
                self.rows[item.name] = [bad_name(item)]
        # clips that an earlier run deleted as duplicates
        before = (row for row in read_manifest(output) if row.reason == "duplicate")
        self.duplicates = {row.key for row in before}

    def work(self, todo: list[Source]) -> None:
        """Prepare these sources and record their rows."""
        setup = functools.partial(_setup, self.output, self.options, self.digest)
        frames = 0
        with tqdm(total=len(todo), unit="file", desc="prepare", disable=not self.progress) as bar:
            for job, answer in self.run_all(setup, todo):
                rows = [failed_row(job, answer)] if isinstance(answer, Failed) else answer
                self.rows[job.name] = rows
                frames += sum(row.frames for row in rows)
                elapsed = max(bar.format_dict["elapsed"], 1e-3)
                bar.set_postfix_str(f"{frames / elapsed:.0f} frames/s", refresh=False)
                bar.update()
        self.done += len(todo)

    def replace_lost(self) -> None:
        """Re-prepare sources whose kept clips are missing on disk.

        This happens when a clip that was deleted as a duplicate is no longer one.
        """
        kept = (row for row in self.rows if row.status == KEPT)
        if lost := {row.source for row in kept if not self._on_disk(row.key)}:
            todo = [item for item in self.sources if item.name in lost]
            for item in todo:
                State(self.output, item.key).forget("clips")
            self.work(todo)

    def finished(self) -> Iterator[Row]:
        """Yield all rows, sorted by source and time; delete duplicate clips, except the first."""
        for row in self.rows:
            if row.reason == "duplicate":
                shutil.rmtree(clip_path(self.output, row.key), ignore_errors=True)
            yield row

    def todo(self) -> list[Source]:
        """Sources still to be prepared; records the rows of finished ones."""
        return [item for item in self.sources if not self._is_done(item)]

    def _is_done(self, item: Source) -> bool:
        state = State(self.output, item.key)
        digest = state.cached_digest(item.path)
        if digest is None:
            return False
        prints = self.options.fingerprints(item.stamp(digest), self.digest)
        found = state.get("clips", prints["clips"])
        if found is None:
            return False
        rows = [Row(**row) for row in found["rows"]]
        missing = [key for key in found["keys"] if not self._on_disk(key)]
        if not self.duplicates.issuperset(missing):
            state.forget("clips")
            return False
        self.rows[item.name] = rows
        return True

    def _on_disk(self, key: str) -> bool:
        return (clip_path(self.output, key) / "clip.json").is_file()


def bad_name(source: Source) -> Row:
    detail = "the name would lie outside the output folder or clash with filelists/"
    return Row("", source.name, REJECTED, "bad_name", detail)


def failed_row(source: Source, why: Failed) -> Row:
    return Row(source.key, source.name, REJECTED, "failed", str(why))


def check_judge(options: Options) -> str:
    """Digest of the judge, '' without one; fails early for an invalid judge, before any worker.

    Raises:
        ConfigError: see :func:`data_prep.sync.limits`.
        CheckpointError: the judge cannot be loaded.
    """
    if options.judge is None:
        return ""
    from data_prep.sync import judge_digest, limits
    from lipsync.evaluation import as_judge

    limits(options, as_judge(options.judge))
    return judge_digest(options.judge)


def _setup(output: Path, options: Options, digest: str) -> Callable[[Source], list[Row]]:
    """Set up a worker; return the function that prepares a source."""
    if not output.is_dir():
        raise ConfigError(
            f"output={output}: does not exist on {socket.gethostname()}; use a "
            "folder shared by all machines"
        )
    return functools.partial(prepare_source, tools=worker_tools(output, options, digest))


def worker_tools(output: Path, options: Options, digest: str) -> Tools:
    """Load the detector and the judge, using one thread; ``digest`` is from :func:`check_judge`.

    Limits this process's OpenCV to one thread.
    """
    cv2.setNumThreads(1)
    arguments: dict[str, float] = {"min_score": options.min_score}
    if options.detector == "centerface":
        arguments |= {"threads": 1, "least": options.min_detection_height}
    detector = RollAwareDetector(get_detector(options.detector, **arguments))
    tools = Tools(output, options, detector)
    if options.judge is not None:
        from data_prep.sync import limits
        from lipsync.evaluation import as_judge

        judge = as_judge(options.judge)
        tools = replace(tools, judge=judge, judge_digest=digest, limits=limits(options, judge))
    return tools
