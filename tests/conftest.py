"""Shared tiny media, generated and never downloaded."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import forked
import fsspec
import numpy as np
import pytest

from lipsync.data.store import write_clip, write_split


def pytest_configure() -> None:
    """Processes started by tests must receive Ctrl-C, even if a script runs pytest with ``&``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # keep measurements and downloads of tests out of the user's cache
    os.environ.setdefault("LIPSYNC_CACHE", tempfile.mkdtemp(prefix="lipsync-cache-"))


@pytest.fixture
def quick_workers(monkeypatch) -> None:
    """Fork the package's processes from a server that has already imported the libraries."""
    monkeypatch.setattr(multiprocessing, "get_context", {"spawn": forked.server}.get)


@pytest.fixture(scope="session")
def make_prepared() -> Callable[..., Path]:
    """Write a prepared set of noise: ``make(root, {"train": ["a/1"], ...}, frames=30)``.

    Frame ``i`` of a clip has the value ``i`` in its first pixel, so that frames can be told apart.
    """

    def make(root: Path, splits: dict[str, list[str]], frames: int = 30, size: int = 96) -> Path:
        for key in {key for keys in splits.values() for key in keys}:
            rng = np.random.default_rng(sum(key.encode()))
            faces = rng.integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
            faces[:, 0, 0] = np.arange(frames)[:, None]
            faces[:, size // 2, 0] = np.arange(frames)[:, None]
            wave = (0.1 * rng.standard_normal(frames * 640)).astype(np.float32)
            write_clip(root, key, faces=faces, wave=wave, info={"source": key})
        for split, keys in splits.items():
            write_split(root, split, keys)
        return root

    return make


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """A local S3 server with the buckets ``open`` and ``shut``; ``shut`` is read-only.

    Yields the environment in which programs find it.
    """
    pytest.importorskip("s3fs", reason="the extra shards is not installed")
    reason = "moto's S3 server is not installed"
    moto = pytest.importorskip("moto.server", reason=reason, exc_type=ImportError)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    environment = {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        files = fsspec.filesystem("s3")
        files.mkdir("open")
        files.mkdir("shut")
        refused = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject"}
        policy = {
            "Version": "2012-10-17",
            "Statement": [refused | {"Resource": "arn:aws:s3:::shut/*"}],
        }
        files.call_s3("put_bucket_policy", Bucket="shut", Policy=json.dumps(policy))
        yield environment
    server.stop()


@pytest.fixture(scope="session")
def prepared(make_prepared, tmp_path_factory) -> Path:
    """Two speakers, one with three times the clips of the other."""
    splits = {
        "train": ["anna/1", "anna/2", "anna/3", "ben/1"],
        "val": ["anna/4", "ben/4"],
        "test": ["carla/1"],
    }
    return make_prepared(tmp_path_factory.mktemp("prepared"), splits)
