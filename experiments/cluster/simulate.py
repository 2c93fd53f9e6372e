"""What does it take to prepare a thousand hours on many machines? A simulation, and a check of it.

    python experiments/cluster/simulate.py --prices experiments/cluster/prices.yaml
    python experiments/cluster/simulate.py --check

Workers take parts of the work from a shared list, as in :mod:`data_prep.sharded`. Some workers are
permanently slow (stragglers). Any worker may die: its part becomes available again when the lease
expires, and the worker is replaced some minutes later. ``--check`` runs jobs that only sleep in the
real engine, kills some of its processes, and compares the time with the simulation.
"""

from __future__ import annotations

import argparse
import heapq
import os
import signal
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from data_prep.engine import run_jobs


@dataclass(frozen=True)
class Case:
    """What is simulated; times in seconds unless stated otherwise.

    Attributes:
        hours: of footage. video: length of a video. files: videos per part.
        core: core-seconds per second of footage, from ``plan.json``. gpu: the same for GPUs.
        spread: standard deviation of the logarithm of a part's time.
        slow: share of stragglers among the workers. slowness: how many times as long they take.
        mtbf: mean hours until a worker dies; 0 for never.
        lease: time until a dead worker's part is available. back: time until it is replaced.
        start: start-up time of a worker.
        reads, writes: requests per video, and per part. lists: requests per part.
    """

    hours: float = 1000
    video: float = 300
    files: int = 5
    core: float = 0.7
    gpu: float = 0.0
    spread: float = 0.3
    slow: float = 0.05
    slowness: float = 3.0
    mtbf: float = 48.0
    lease: float = 60.0
    back: float = 300.0
    start: float = 30.0
    reads: tuple[float, float] = (1, 3.75)
    writes: tuple[float, float] = (0, 5.3)
    lists: float = 1.2


@dataclass(frozen=True)
class Result:
    """Wall time, work, lost work and ideal wall time in hours; counts of deaths and parts."""

    wall: float
    core: float
    lost: float
    deaths: int
    parts: int
    ideal: float


def simulate(case: Case, workers: int, seed: int = 0) -> Result:
    """Simulate one run, event by event."""
    rng = np.random.default_rng(seed)
    parts = max(1, round(case.hours * 3600 / (case.video * case.files)))
    noise = rng.lognormal(-(case.spread**2) / 2, case.spread, parts)
    length = case.hours * 3600 / parts * case.core * noise
    slow = np.where(rng.random(workers) < case.slow, case.slowness, 1.0)
    waiting = [(0.0, part) for part in range(parts)][::-1]  # (available from, part)
    late: list[tuple[float, int]] = []
    idle = [(case.start, worker) for worker in range(workers)]
    heapq.heapify(idle)
    work = lost = wall = 0.0
    deaths = done = 0
    while done < parts:
        now, worker = heapq.heappop(idle)
        if late and (late[0][0] <= now or not waiting):
            free, part = heapq.heappop(late)
            now = max(now, free)
        elif waiting:
            part = waiting.pop()[1]
        else:
            continue
        takes = length[part] * slow[worker]
        dies = rng.exponential(case.mtbf * 3600) if case.mtbf else np.inf
        if dies < takes:
            deaths += 1
            lost += dies
            work += dies
            heapq.heappush(late, (now + dies + case.lease, part))
            heapq.heappush(idle, (now + dies + case.back + case.start, worker))
            continue
        done += 1
        work += takes
        wall = max(wall, now + takes)
        heapq.heappush(idle, (now + takes, worker))
    ideal = float(length.sum()) / workers
    return Result(wall / 3600, work / 3600, lost / 3600, deaths, parts, ideal / 3600)


def dollars(case: Case, result: Result, workers: int, prices: dict[str, float]) -> dict[str, float]:
    """Cost by kind; machines are paid for from start to end."""
    videos = case.hours * 3600 / case.video
    reads = videos * case.reads[0] + result.parts * case.reads[1]
    writes = videos * case.writes[0] + result.parts * case.writes[1]
    lists = case.lists * result.parts
    return {
        "cores": result.wall * workers * prices["core_hour"],
        "GPUs": case.hours * case.gpu * prices["gpu_hour"],
        "requests": reads / 1e3 * prices["thousand_reads"]
        + (writes + lists) / 1e3 * prices["thousand_writes"],
        "storage, per month": case.hours * prices["gigabytes_an_hour"] * prices["gigabyte_month"],
    }


def table(case: Case, prices: dict[str, float], counts: list[int], runs: int) -> None:
    """Print a Markdown table; each row is the median of several runs."""
    videos = case.hours * 3600 / case.video
    print("| workers | failures | wall, h | ideal, h | core-hours | lost | GPU-hours | deaths "
          "| requests | dollars |")  # fmt: skip
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for workers in counts:
        for name, one in {
            "none": replace(case, slow=0, mtbf=0),
            "stragglers": replace(case, mtbf=0),
            "stragglers, deaths": case,
            "the same, deaths every 4 h": replace(case, mtbf=4),
        }.items():
            found = sorted((simulate(one, workers, seed) for seed in range(runs)),
                           key=lambda result: result.wall)  # fmt: skip
            result = found[len(found) // 2]
            paid = sum(dollars(one, result, workers, prices).values())
            asked = videos * (one.reads[0] + one.writes[0])
            asked += result.parts * (one.reads[1] + one.writes[1] + one.lists)
            print(
                f"| {workers} | {name} | {result.wall:.2f} | {result.ideal:.2f} "
                f"| {result.core:.0f} | {result.lost:.1f} | {case.hours * case.gpu:.0f} "
                f"| {result.deaths} | {asked:,.0f} | {paid:.2f} |"
            )


def sleeper(folder: Path, seconds: float) -> partial:
    """Called in each worker process: makes the function that does a job."""
    return partial(_sleep, folder, seconds)


def _sleep(folder: Path, seconds: float, job: tuple[int, bool]) -> float:
    number, dies = job
    mark = folder / str(number)
    if dies and not mark.exists():
        mark.touch()
        time.sleep(seconds / 2)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    return seconds


def check(folder: Path) -> None:
    """Compare small runs of the engine with simulations of them."""
    print("| workers | parts | killed | measured, s | simulated, s | ratio |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    seconds, parts = 2.0, 24
    for workers, killed in ((2, 0), (4, 0), (4, 3), (8, 0)):
        place = folder / f"{workers}-{killed}"
        place.mkdir()
        jobs = [(number, number < killed) for number in range(parts)]
        began, first = time.perf_counter(), None
        for _ in run_jobs(partial(sleeper, place, seconds), jobs, workers):
            first = first or time.perf_counter() - began
        took = time.perf_counter() - began
        start = max(0.0, first - seconds)  # start-up time of the workers on this machine
        case = Case(
            hours=parts * seconds / 3600, video=seconds, files=1, core=1, spread=0, slow=0,
            mtbf=0, lease=0, back=0, start=start,
        )  # fmt: skip
        base = simulate(case, workers).wall * 3600
        # each killed worker costs half a part and a start, shared by all workers
        base += killed * (seconds / 2 + start) / workers
        print(f"| {workers} | {parts} | {killed} | {took:.1f} | {base:.1f} | {took / base:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).parent
    parser.add_argument("--prices", type=Path, default=here / "prices.yaml")
    parser.add_argument("--workers", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--files", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="test the simulation instead")
    asked = parser.parse_args()
    if asked.check:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
        return
    prices = yaml.safe_load(asked.prices.read_text())
    for files in asked.files:
        print(f"\n{files} videos of five minutes in a part:\n")
        table(
            replace(Case(**prices.get("case", {})), files=files), prices, asked.workers, asked.runs
        )


if __name__ == "__main__":
    main()
