"""``engine=ray`` on a local cluster of two cores; skipped where Ray is not installed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_engine
from footage_media import moving, run, video
from test_engine import damaged, square

from data_prep.engine import run_jobs
from data_prep.options import Options
from data_prep.pool import Failed, Stop
from data_prep.run import Summary, prepare
from lipsync.errors import ClipError, ConfigError

ray = pytest.importorskip(
    "ray", reason="ray is not installed: pip install -c constraints.txt -e '.[ray]'"
)
ray.cloudpickle.register_pickle_by_value(test_engine)  # workers could not import it
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a local cluster that simulates two machines with one core each."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    machines = Cluster(initialize_head=True, head_node_args=machine)
    machines.add_node(**machine)
    yield machines.address
    machines.shutdown()


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def workers() -> list[int]:
    """Process numbers of the actors of Ray clusters that this process started."""
    parents, actors = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rsplit(")")[-1].split()
            parents[int(folder.name)] = int(stat[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::_Remote"):
                actors.append(int(folder.name))
        except (OSError, ValueError):
            continue

    def ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    return [pid for pid in actors if ours(pid)]


def test_every_job_has_its_answer(cluster: str) -> None:
    answers = dict(run_jobs(square, range(9), 2, "ray", cluster))
    assert {n: a for n, a in answers.items() if n not in (3, 5)} == {
        n: n * n for n in range(9) if n not in (3, 5)
    }
    assert str(answers[3]).startswith("ValueError: three is bad (run, line ")
    assert isinstance(answers[5], Failed)
    assert str(answers[5]) == "the worker process or its machine died"
    with pytest.raises(Stop, match="the disk is full"):
        list(run_jobs(square, [100, 1], 1, "ray", cluster))
    with pytest.raises(ClipError, match="a/b: is damaged"):
        list(run_jobs(damaged, [1], 1, "ray", cluster))


def test_more_workers_than_cores_do_not_hang(cluster: str) -> None:
    assert dict(run_jobs(square, range(3), 3, "ray", cluster)) == {0: 0, 1: 1, 2: 4}


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_one_of_two_workers_is_killed_midway(cluster: str, tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    for i in range(8):
        path = source / f"s{i % 2}/{i}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        video(path, moving(40 + 3 * i))
    (source / "s0/bad.mp4").write_text("not a video")
    run(source, tmp_path / "whole")
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 300
        while not list(output.rglob("look.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        killed.extend(workers())
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    summary: Summary = prepare(
        source, output, Options(min_seconds=0.2, judge=None), workers=2, engine="ray",
        ray_address=cluster, progress=False,
    )  # fmt: skip
    killer.join()
    assert len(killed) == 2
    assert summary.reasons == {"unreadable": 1}
    assert contents(output) == contents(tmp_path / "whole")


def test_a_cluster_of_its_own_ends_with_the_run() -> None:
    assert dict(run_jobs(square, range(3), 2, "ray")) == {0: 0, 1: 1, 2: 4}
    assert not ray.is_initialized()
    assert not workers()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there(address: str) -> None:
    with pytest.raises(ConfigError, match=f"no Ray cluster at {address}"):
        list(run_jobs(square, [1], 1, "ray", address))
