"""``dub_batch``: a list of dubs, in one process or several; resumes after an interruption."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lipsync.dubbing.batch_list import Entry, read_batch
from lipsync.dubbing.dubbers import Dubber, DubberProcess, Outcome
from lipsync.dubbing.pipeline import FRAMES
from lipsync.dubbing.plan import Progress
from lipsync.dubbing.result import DubResult
from lipsync.errors import check_whole
from lipsync.media import check_target, whole_file
from lipsync.media.files import naming_target
from lipsync.plain import Plain


@dataclass
class BatchResult(Plain):
    """Result of a list, in its order.

    Attributes:
        path: the list.
        done: dubs made in this run.
        skipped: outputs of an earlier run.
        failed: one line per failed dub: its place in the list, and the reason.
    """

    path: Path
    done: list[DubResult] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{len(self.done)} dubbed, {len(self.skipped)} there already"
        return "\n".join(
            [*map(str, self.done), f"{self.path}: {counts}, {len(self.failed)} failed"]
        )


def dub_batch(
    path: str | Path, *, jobs: int = 1, progress: Progress | None = None, **options: Any
) -> BatchResult:
    """Make all dubs in a list, loading each model once per process.

    Finished dubs with the same options and files are skipped; ``LIST.done.json`` records them. A
    failed dub does not stop the others. A dub that reads a file written by an earlier one waits for
    it.

    Args:
        path: a CSV file with the columns face, audio, output and any option of :func:`dub`, or a
            YAML file, a list of mappings with such keys; relative paths are relative to it.
        jobs: number of dubs made in parallel, each in its own process; 1 makes them in this
            process. The output files are the same.
        progress: called with (number of the dub and its stage, frames done, total frames or None);
            with several ``jobs`` called with (number of dubs, frames done over all dubs, total
            frames, estimated for dubs that have not started).
        **options: options for all dubs; those in the list override them.

    Raises:
        MediaError, ConfigError: a list that cannot be read, or with invalid options; nothing is
            dubbed then.
    """
    check_whole("jobs", jobs, 1)
    path = Path(path)
    entries = read_batch(path, options)
    ledger = _Ledger(path.with_suffix(".done.json"))
    jobs = min(jobs, len(entries))
    made = _dub_serially(entries, ledger, progress)
    if jobs > 1:
        made = _dub_in_parallel(entries, ledger, jobs, progress)
    with closing(made):
        outcomes = dict(made)
    result = BatchResult(path)
    for number, entry in enumerate(entries):
        outcome = outcomes[number]
        if outcome is None:
            result.skipped.append(entry.output)
        elif isinstance(outcome, DubResult):
            result.done.append(outcome)
        else:
            result.failed.append(f"{entry.where}: {outcome}")
    return result


Outcomes = Generator[tuple[int, Outcome | None], None, None]
"""Index and outcome of each dub; None if it was already done."""


def _dub_serially(entries: Sequence[Entry], ledger: _Ledger, progress: Progress | None) -> Outcomes:
    dubber = Dubber()
    for number, entry in enumerate(entries):

        def report(
            stage: str, done: int, total: int | None, n: int = number, e: Entry = entry
        ) -> None:
            if progress is not None:
                also = "" if stage == FRAMES else f", {stage}"
                progress(f"{n + 1} of {len(entries)}: {e.output.name}{also}", done, total)

        yield number, ledger.update(entry, dubber, report)


def _dub_in_parallel(
    entries: Sequence[Entry], ledger: _Ledger, jobs: int, progress: Progress | None
) -> Outcomes:
    before = _dependencies(entries)
    ended = [threading.Event() for _ in entries]
    overall = _OverallProgress(len(entries), progress)

    def work(number: int) -> tuple[int, Outcome | None]:
        for earlier in before[number]:  # these were started before this one
            ended[earlier].wait()
        dubber = free.get()
        try:
            report = overall.callback_for(number)
            return number, ledger.update(entries[number], dubber, report)
        finally:
            free.put(dubber)
            ended[number].set()  # first, as other dubs wait for it and the next line may raise
            overall.end(number)

    stop, free = threading.Event(), SimpleQueue[DubberProcess]()
    others = [DubberProcess(jobs, stop) for _ in range(jobs)]
    for other in others:
        free.put(other)
    try:
        with ThreadPoolExecutor(jobs, "lipsync") as pool:
            futures = [pool.submit(work, number) for number in range(len(entries))]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                stop.set()
                for future in futures:
                    future.cancel()
    finally:
        for other in others:
            other.close()


def _dependencies(entries: Sequence[Entry]) -> list[set[int]]:
    """For each dub, the earlier dubs it must wait for, as both use a file that one writes."""
    used: dict[str, set[int]] = {}
    wrote: dict[str, set[int]] = {}
    found = []
    for number, entry in enumerate(entries):
        read = {os.path.abspath(path) for path in entry.inputs}  # noqa: PTH100 keeps symlinks
        written = {os.path.abspath(path) for path in entry.outputs}  # noqa: PTH100
        needed = [wrote.get(path, set()) for path in read]
        needed += [used.get(path, set()) for path in written]
        found.append(set().union(*needed))
        for path in read | written:
            used.setdefault(path, set()).add(number)
        for path in written:
            wrote.setdefault(path, set()).add(number)
    return found


class _OverallProgress:
    """Overall progress of all dubs; thread-safe."""

    def __init__(self, dubs: int, progress: Progress | None) -> None:
        self._dubs, self._progress = dubs, progress
        self._lock = threading.Lock()
        self._done: dict[int, int] = {}
        self._totals: dict[int, int] = {}

    def callback_for(self, number: int) -> Progress:
        def report(stage: str, done: int, total: int | None) -> None:
            if stage != FRAMES:
                return
            with self._lock:
                self._done[number] = done
                if total is not None:
                    self._totals[number] = total
                self._report()

        return report

    def end(self, number: int) -> None:
        """End a dub, successful or not: its total is the number of frames it has made."""
        with self._lock:
            self._totals[number] = self._done.get(number, 0)
            self._report()

    def _report(self) -> None:
        if self._progress is None or not self._done:
            return
        known = sum(self._totals.values())
        usual = known / max(1, sum(total > 0 for total in self._totals.values()))
        total = round(known + usual * (self._dubs - len(self._totals)))
        self._progress(f"{self._dubs} dubs", sum(self._done.values()), total or None)


class _Ledger:
    """Record of finished dubs: output -> options and files it was made from."""

    def __init__(self, path: Path) -> None:
        check_target(path)
        self.path, self._lock = path, threading.Lock()
        try:
            self._rows = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self._rows = {}  # everything is made again

    def update(
        self, entry: Entry, dubber: Dubber | DubberProcess, report: Progress
    ) -> Outcome | None:
        """Make and record a dub; None if it is already done."""
        if entry.output.exists() and self._rows.get(str(entry.output)) == _fingerprint(entry):
            return None
        outcome = dubber(entry, report)
        if isinstance(outcome, DubResult):
            with self._lock:
                self._rows[str(entry.output)] = _fingerprint(entry)
                with whole_file(self.path) as temporary, naming_target(self.path):
                    temporary.write_text(json.dumps(self._rows, indent=1) + "\n", encoding="utf-8")
        return outcome


def _fingerprint(entry: Entry) -> dict[str, Any]:
    """Options and files of a dub, with sizes and modification times."""
    options = {name: str(value) for name, value in sorted(entry.options.items())}
    stamps = {}
    for path in (entry.output, *entry.inputs):  # a folder is one of adapted models
        for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
            if file.is_file():
                stat = file.stat()
                stamps[str(file)] = [stat.st_size, stat.st_mtime_ns]
    return {"options": options, "files": stamps}
