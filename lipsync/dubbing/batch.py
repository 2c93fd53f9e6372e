"""``dub_batch``: a list of dubs, in one process or several, continued where it was interrupted."""

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
from lipsync.dubbing.dubbers import Dubber, OtherProcess, Outcome
from lipsync.dubbing.pipeline import FRAMES
from lipsync.dubbing.plan import Progress
from lipsync.dubbing.result import DubResult
from lipsync.errors import check_whole
from lipsync.media import check_target, whole_file
from lipsync.media.files import naming_target
from lipsync.plain import Plain


@dataclass
class BatchResult(Plain):
    """What a list came to, in its order.

    Attributes:
        path: the list.
        done: what was dubbed now.
        skipped: outputs that an earlier run had made.
        failed: a line for each that could not be dubbed: where it stands, and why.
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
    """Make all dubs of a list, loading each model once in every process.

    Finished dubs with the same options and files are skipped; ``LIST.done.json`` records them. A
    failed dub does not stop the others. One that reads a file which an earlier one writes waits for
    it.

    Args:
        path: a CSV file with the columns face, audio, output and any option of :func:`dub`, or a
            YAML file, a list of mappings with such keys; relative paths are relative to it.
        jobs: number of dubs made in parallel, each in its own process; 1 makes them in this
            process. The output files are the same.
        progress: called with (number of the dub and its stage, frames done, frames in all or None);
            with several ``jobs`` with (number of dubs, frames done of all dubs, frames in all,
            which are estimated for dubs that have not begun).
        **options: for all dubs; those in the list override them.

    Raises:
        MediaError, ConfigError: a list that cannot be read, or with invalid options; nothing is
            dubbed then.
    """
    check_whole("jobs", jobs, 1)
    path = Path(path)
    entries = read_batch(path, options)
    ledger = _Ledger(path.with_suffix(".done.json"))
    jobs = min(jobs, len(entries))
    made = _in_turn(entries, ledger, progress)
    if jobs > 1:
        made = _side_by_side(entries, ledger, jobs, progress)
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
"""Numbers of dubs and what each came to; None where it was there already."""


def _in_turn(entries: Sequence[Entry], ledger: _Ledger, progress: Progress | None) -> Outcomes:
    dubber = Dubber()
    for number, entry in enumerate(entries):

        def report(
            stage: str, done: int, total: int | None, n: int = number, e: Entry = entry
        ) -> None:
            if progress is not None:
                also = "" if stage == FRAMES else f", {stage}"
                progress(f"{n + 1} of {len(entries)}: {e.output.name}{also}", done, total)

        yield number, ledger.kept_up(entry, dubber, report)


def _side_by_side(
    entries: Sequence[Entry], ledger: _Ledger, jobs: int, progress: Progress | None
) -> Outcomes:
    before = _earlier(entries)
    ended = [threading.Event() for _ in entries]
    overall = _Overall(len(entries), progress)

    def work(number: int) -> tuple[int, Outcome | None]:
        for earlier in before[number]:  # which were taken up before this one
            ended[earlier].wait()
        dubber = free.get()
        try:
            report = overall.report_of(number)
            return number, ledger.kept_up(entries[number], dubber, report)
        finally:
            free.put(dubber)
            ended[number].set()  # before what may raise: others wait for it
            overall.end(number)

    stop, free = threading.Event(), SimpleQueue[OtherProcess]()
    others = [OtherProcess(jobs, stop) for _ in range(jobs)]
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


def _earlier(entries: Sequence[Entry]) -> list[set[int]]:
    """Of each dub, the earlier ones which must have ended, as both use a file that one writes."""
    used: dict[str, set[int]] = {}
    wrote: dict[str, set[int]] = {}
    found = []
    for number, entry in enumerate(entries):
        read = {os.path.abspath(path) for path in entry.read}  # noqa: PTH100 links stay
        written = {os.path.abspath(path) for path in entry.written}  # noqa: PTH100
        needed = [wrote.get(path, set()) for path in read]
        needed += [used.get(path, set()) for path in written]
        found.append(set().union(*needed))
        for path in read | written:
            used.setdefault(path, set()).add(number)
        for path in written:
            wrote.setdefault(path, set()).add(number)
    return found


class _Overall:
    """The frames of all dubs as one progress, whichever thread tells of them."""

    def __init__(self, dubs: int, progress: Progress | None) -> None:
        self._dubs, self._progress = dubs, progress
        self._lock = threading.Lock()
        self._done: dict[int, int] = {}
        self._totals: dict[int, int] = {}

    def report_of(self, number: int) -> Progress:
        def report(stage: str, done: int, total: int | None) -> None:
            if stage != FRAMES:
                return
            with self._lock:
                self._done[number] = done
                if total is not None:
                    self._totals[number] = total
                self._tell()

        return report

    def end(self, number: int) -> None:
        """A dub that has ended, well or not, has no more frames than it has made."""
        with self._lock:
            self._totals[number] = self._done.get(number, 0)
            self._tell()

    def _tell(self) -> None:
        if self._progress is None or not self._done:
            return
        known = sum(self._totals.values())
        usual = known / max(1, sum(total > 0 for total in self._totals.values()))
        total = round(known + usual * (self._dubs - len(self._totals)))
        self._progress(f"{self._dubs} dubs", sum(self._done.values()), total or None)


class _Ledger:
    """Which dubs are done: a row an output, with what it was made of."""

    def __init__(self, path: Path) -> None:
        check_target(path)
        self.path, self._lock = path, threading.Lock()
        try:
            self._rows = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self._rows = {}  # all is made again

    def kept_up(
        self, entry: Entry, dubber: Dubber | OtherProcess, report: Progress
    ) -> Outcome | None:
        """Make a dub and note it, or nothing if it is there."""
        if entry.output.exists() and self._rows.get(str(entry.output)) == _state(entry):
            return None
        outcome = dubber(entry, report)
        if isinstance(outcome, DubResult):
            with self._lock:
                self._rows[str(entry.output)] = _state(entry)
                with whole_file(self.path) as temporary, naming_target(self.path):
                    temporary.write_text(json.dumps(self._rows, indent=1) + "\n", encoding="utf-8")
        return outcome


def _state(entry: Entry) -> dict[str, Any]:
    """Options and files of a dub, and when those were changed."""
    options = {name: str(value) for name, value in sorted(entry.options.items())}
    stamps = {}
    for file in (entry.output, *entry.read):
        if file.is_file():
            stat = file.stat()
            stamps[str(file)] = [stat.st_size, stat.st_mtime_ns]
    return {"options": options, "files": stamps}
