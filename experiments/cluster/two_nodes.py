"""Prepare videos on a Ray cluster of two nodes, from S3 to S3, and kill one node half-way.

    python experiments/cluster/two_nodes.py --videos 100

Both nodes (raylets) and the S3 server (moto) run on this machine. The same videos are prepared
twice, first undisturbed, and all files of the two sets are compared. Requests to the server are
counted.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import fsspec
from moto.server import ThreadedMotoServer

from data_prep.options import Options
from data_prep.sharded import prepare_shards
from lipsync.sample import make_sample_corpus

MACHINE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
OPTIONS = Options(min_seconds=0.4, stride=12, smallest_face=40, judge=None)
_REQUEST = re.compile(r'"(\w+) /?(\S*) HTTP[^"]*" (\d+)')


class Requests(logging.Handler):
    """Counts requests to the server."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: Counter[str] = Counter()
        self.leases: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if found := _REQUEST.search(record.getMessage()):
            method, path, status = found.groups()
            self.kinds["LIST" if method == "GET" and "list-type" in path else method] += 1
            if method == "PUT" and "/leases/" in path and status == "200":
                self.leases[path.rpartition("/")[2].partition("?")[0]] += 1


def served() -> tuple[ThreadedMotoServer, Requests]:
    """Start an S3 server; environment variables point processes started later to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    requests, log = Requests(), logging.getLogger("werkzeug")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(requests)
    return server, requests


def contents(url: str) -> dict[str, bytes]:
    """All files below a URL, by relative path."""
    files, root = fsspec.url_to_fs(url)
    files.invalidate_cache()
    return {name.removeprefix(root): data for name, data in files.cat(files.find(root)).items()}


def done(url: str) -> int:
    """Number of finished parts of a set."""
    files, root = fsspec.url_to_fs(url)
    files.invalidate_cache()
    return sum(name.endswith(".jsonl") for name in files.find(f"{root}/parts"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=100)
    parser.add_argument("--files", type=int, default=5, help="videos per shard")
    asked = parser.parse_args()
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    server, requests = served()
    files = fsspec.filesystem("s3")
    files.mkdir("show")
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_sample_corpus(
            Path(folder, "in"), speakers=10, clips=asked.videos // 10, seconds=1, size=160
        )
        for path in corpus.glob("*/*.mp4"):
            files.put_file(str(path), f"show/in/{path.relative_to(corpus)}")
    cluster = Cluster(initialize_head=True, head_node_args=MACHINE)
    second = cluster.add_node(**MACHINE)
    parts = -(-asked.videos // asked.files)

    def kill() -> None:
        while (ready := done("s3://show/killed")) < parts // 3:
            requests.kinds["LIST"] -= 1  # this request is ours, not the run's
            time.sleep(0.5)
        print(f"  {ready} of {parts} parts are done: the second node is killed")
        cluster.remove_node(second, allow_graceful=False)

    sets = {}
    for name in ("whole", "killed"):
        requests.kinds.clear()
        requests.leases.clear()
        killer = threading.Thread(target=kill, daemon=True)
        if name == "killed":
            killer.start()
        began = time.perf_counter()
        made = prepare_shards(
            "s3://show/in", f"s3://show/{name}", OPTIONS, workers=2, engine="ray",
            ray_address=cluster.address, files=asked.files, progress=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        asked_for = ", ".join(f"{count} {kind}" for kind, count in sorted(requests.kinds.items()))
        print(
            f"{name}: {made.clips} clips of {made.files} files within {seconds:.0f} s; {asked_for}"
        )
        again = sum(count > 1 for count in requests.leases.values())
        print(f"  {len(requests.leases)} parts leased, {again} of them more than once")
        sets[name] = contents(f"s3://show/{name}")
    whole, killed = sets.values()
    same = sum(killed.get(name) == data for name, data in whole.items())
    print(f"{same} of {len(whole)} files are the same byte for byte, {len(killed)} after the kill")
    shards = [name for name in whole if name.endswith(".tar")]
    equal = sum(killed.get(name) == whole[name] for name in shards)
    print(f"{equal} of {len(shards)} shards, {sum(len(whole[n]) for n in shards) / 1e6:.1f} MB")
    cluster.shutdown()
    server.stop()


if __name__ == "__main__":
    main()
