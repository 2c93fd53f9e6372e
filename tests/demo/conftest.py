"""A demo server, and media for it: a synthetic head that the face detector finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="lipsync demo needs the extra demo")

from starlette.testclient import TestClient

from lipsync.demo.app import Demo
from lipsync.demo.settings import Settings
from lipsync.media import VideoWriter, write_audio
from lipsync.sample.corpus import make_clip

HERE = "http://127.0.0.1:7860"


@pytest.fixture(scope="session")
def media(tmp_path_factory) -> Path:
    """head.mp4 (1.6 s, with its sound), head.png, speech.wav (1 s), noface.mp4, silent.mp4."""
    folder = tmp_path_factory.mktemp("media")
    made = make_clip(0, 0, 0, 1.6, 240)
    frames = list(made.frames)
    with VideoWriter(folder / "head.mp4", 25, (240, 240), audio=made.wave) as video:
        for frame in frames:
            video.write(frame)
    cv2.imwrite(str(folder / "head.png"), frames[0][..., ::-1])
    write_audio(folder / "speech.wav", make_clip(0, 1, 0, 1.0, 240).wave)
    rng = np.random.default_rng(0)
    with VideoWriter(folder / "noface.mp4", 25, (96, 96), audio=made.wave) as video:
        for _ in range(40):
            video.write(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    with VideoWriter(folder / "silent.mp4", 25, (96, 96)) as video:
        for _ in range(10):
            video.write(np.zeros((96, 96, 3), np.uint8))
    return folder


class Page:
    """A client that does what the page does, without a browser."""

    def __init__(self, client: TestClient, demo: Demo) -> None:
        self.client, self.demo = client, demo
        self.tab = client.post("/api/tabs").json()["tab"]

    def own(self, path: str) -> str:
        return f"/api/tabs/{self.tab}{path}"

    def send(self, content: Any, kind: str, **headers: str) -> Any:
        data = content.read_bytes() if isinstance(content, Path) else content
        return self.client.post(self.own(f"/files?as={kind}"), content=data, headers=headers)

    def upload(self, path: Path, kind: str) -> str:
        answer = self.send(path, kind)
        assert answer.status_code == 201, answer.text
        return answer.json()["file"]

    def ask(self, **wanted: Any) -> Any:
        return self.client.post(self.own("/jobs"), json=wanted)

    def dub(self, media: Path, **wanted: Any) -> Any:
        """Request a dub of the head with another speech."""
        face = self.upload(media / "head.mp4", "face")
        sound = self.upload(media / "speech.wav", "sound")
        known = {"do": "dub", "model": "wav2lip-gan-grid", "consent": True}
        return self.ask(**known | {"face": face, "sound": sound} | wanted)

    def state(self, job: str) -> dict[str, Any]:
        return self.client.get(self.own(f"/jobs/{job}")).json()

    def wait(self, job: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """The state of a job once it has ended, or is in one of ``states``."""
        until = time.monotonic() + seconds
        while (state := self.state(job))["state"] not in (
            states or ("done", "failed", "cancelled")
        ):
            assert time.monotonic() < until, state
            time.sleep(0.02)
        return state

    def files(self) -> list[Path]:
        """All files in the folders of all tabs."""
        return [path for path in self.demo.tabs.folder.rglob("*") if path.is_file()]


@pytest.fixture
def open_demo() -> Iterator[Callable[..., Page]]:
    """``open_demo(max_mb=1, ...)``: a client of a new demo."""
    running = []

    def opened(**options: Any) -> Page:
        demo = Demo(Settings(**options))
        client = TestClient(demo.app(), base_url=HERE, raise_server_exceptions=False)
        client.__enter__()
        running.append(client)
        return Page(client, demo)

    yield opened
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def page(open_demo) -> Page:
    """A client of a demo with default options."""
    return open_demo()


@pytest.fixture
def held(monkeypatch) -> Iterator[Any]:
    """Dubs that write a file and wait for ``held.go.set()``."""
    import threading

    class Held:
        go, started = threading.Event(), threading.Event()

    def dub(face: Path, sound: Path, output: Path, *, progress: Any, **options: Any) -> None:
        output.with_suffix(".part").write_bytes(b"unfinished")
        try:
            Held.started.set()
            while not Held.go.wait(0.01):
                progress("frames", 1, 10)
            raise RuntimeError("the end")
        finally:
            output.with_suffix(".part").unlink(missing_ok=True)

    monkeypatch.setattr("lipsync.demo.dubs.dub", dub)
    yield Held
    Held.go.set()
