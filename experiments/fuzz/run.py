"""Run damaged files through reading, dubbing and preparing: ``run.py TASK COUNT [--first N]``.

A worker process handles the files one after the other. Outcomes are counted: ``ok``, ``refused``
(with a one-line message), and those that must not occur: ``failed`` (any other error), ``hung``
(over the time limit), ``crashed`` (the process died), ``left`` (unwanted files remained).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mutations import mutated
from seeds import make_seeds

LIMIT = 30.0  # seconds of CPU time per file
PATIENCE = 600.0  # seconds of wall time per file
MEMORY = 10 * 2**30  # address space of a worker, in bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time")
    parser.add_argument("-o", type=Path, help="JSON file of counts; continued if it exists")
    args = parser.parse_args()
    known = json.loads(args.o.read_text()) if args.o is not None and args.o.exists() else {}
    counts, found = Counter(known.get("counts", {})), known.get("found", [])
    done = sum(counts.values())

    def save() -> None:
        if args.o is not None:
            state = {"task": args.task, "first": args.first, "counts": counts, "found": found}
            args.o.write_text(json.dumps(state, indent=1))

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        first, until = args.first + done, time.monotonic() + args.seconds
        for outcome, about in fuzz(Path(folder), args.task, args.count - done, first):
            counts[outcome] += 1
            if about is not None:
                found.append(about)
                print(json.dumps(about), flush=True)
            if not sum(counts.values()) % 20:
                save()
            if time.monotonic() > until:
                break
    save()
    print(json.dumps({"task": args.task, "first": args.first, **counts}))
    sys.exit(1 if found else 0)


def fuzz(
    folder: Path, task: str, count: int, first: int = 0
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Outcomes of files ``first`` to ``first + count - 1``, with details of unwanted ones."""
    seeds = _seeds(folder, task)
    worker = None
    for number in range(first, first + count):
        seed = seeds[number % len(seeds)]
        own = folder / "work" / str(number)
        own.mkdir(parents=True)
        data, how = mutated(seed.read_bytes(), number)
        (own / seed.name).write_bytes(data)
        before = _around(folder)
        worker = worker or Worker(task, folder / "seeds")
        outcome, said = worker.ask(own / seed.name)
        if outcome in ("hung", "crashed"):
            worker = None
        elif outcome != "failed" and (
            _around(folder) != before or [p.name for p in own.iterdir()] not in ([seed.name], [])
        ):
            outcome, said = "left", str(sorted(map(str, own.rglob("*"))))
        about = {"number": number, "file": seed.name, "how": how, "outcome": outcome, "said": said}
        yield outcome, None if outcome in ("ok", "refused") else about
        shutil.rmtree(own)
    if worker is not None:
        worker.end()


def _seeds(folder: Path, task: str) -> list[Path]:
    from tasks import make_speech, make_texts, make_tracks

    seeds = make_seeds(folder / "seeds")
    make_speech(folder / "seeds")
    if task == "tracks":
        return [make_tracks(folder / "seeds")]
    if task == "texts":
        return make_texts(folder / "texts")
    if task == "prepare":
        sounds = "sound", "head", "still", "moving"
        seeds = [seed for seed in seeds if not seed.name.startswith(sounds)]
    return seeds


def _around(folder: Path) -> list[str]:
    """Paths directly inside the folder, to detect unwanted files."""
    return sorted(str(path) for path in folder.iterdir())


class Worker:
    """A process that handles one file at a time."""

    def __init__(self, task: str, seeds: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, task, seeds), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()  # sent once its imports are done

    def ask(self, path: Path) -> tuple[str, str]:
        try:
            self._pipe.send(path)
            begun, until = self._worked(), time.monotonic() + PATIENCE
            while self._worked() - begun < LIMIT and time.monotonic() < until:
                if self._pipe.poll(0.5):
                    return self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            return "crashed", f"exit code {self._process.exitcode}"
        self._process.kill()
        self._process.join()
        return "hung", f"more than {LIMIT:.0f} s"

    def _worked(self) -> float:
        """CPU seconds used by the process, all threads included."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return time.monotonic()  # wall time, on systems without /proc
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._pipe.close()
        self._process.join(10)


def _work(pipe: Connection, task: str, seeds: Path) -> None:
    import torch
    from tasks import TASKS

    from lipsync.errors import LipsyncError

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    pipe.send("ready")
    while True:
        try:
            path = pipe.recv()
        except EOFError:
            return
        try:
            TASKS[task](path, seeds)
            pipe.send(("ok", ""))
        except LipsyncError as error:
            pipe.send(("failed" if "\n" in str(error) else "refused", str(error)))
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            pipe.send(("failed", f"{error!r:.200} at {place.filename}:{place.lineno}"))


if __name__ == "__main__":
    main()
