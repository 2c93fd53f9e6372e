"""Published weights by name, against a local server."""

import hashlib
import logging
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lipsync.checkpoints import load_model, online, save_model
from lipsync.checkpoints.online import ONLINE, OnlineModel, fetch
from lipsync.errors import CheckpointError
from lipsync.models import SyncNet
from lipsync.speeds import cache_folder

CONTENT = bytes(range(256)) * 4000
HASH = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves ``content``; each response breaks off after ``cuts.pop(0)`` bytes."""

    def __init__(self) -> None:
        self.content, self.cuts, self.ranges = CONTENT, [], []
        self.understands_ranges = True
        self.kind, self.moved_to = "application/octet-stream", None


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            start = int(asked[6:-1]) if asked and state.understands_ranges else 0
            size = len(state.content)
            if self.path == "/absent":
                self.send_error(404)
                return
            if state.moved_to:
                self.send_response(302)
                self.send_header("Location", state.moved_to)
                self.end_headers()
                return
            if start >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Type", state.kind)
            self.send_header("Content-Length", str(size - start))
            self.end_headers()
            most = state.cuts.pop(0) if state.cuts else size
            self.wfile.write(state.content[start : start + most])

        def log_message(self, *args):
            pass

    with serving(Handler) as state.address:
        yield state


@contextmanager
def serving(handler):
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}/model.bin"
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def published(url: str | None, sha256: str | None = HASH) -> OnlineModel:
    return OnlineModel("name", "model.bin", url, sha256, "for tests", "https://authors.example/")


def refusal(model: OnlineModel, folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        fetch(model, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_file_is_fetched_once_and_its_licence_told(server, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        path = fetch(published(server.address), tmp_path / "cache")
    assert path == tmp_path / "cache" / "model.bin"
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == ["model.bin"]
    assert "for tests" in caplog.text
    assert fetch(published(server.address), tmp_path / "cache") == path
    assert server.ranges == [None]


def test_a_cut_connection_is_taken_up_again(server, tmp_path):
    server.cuts = [300_000, 200_000]
    path = fetch(published(server.address), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_the_next_call_goes_on_where_the_last_gave_up(server, tmp_path):
    server.cuts = [100_000, 0, 0]
    message = refusal(published(server.address), tmp_path)
    assert (
        "broke off after 0.1 MB in 3 attempts; run the command again to resume the download"
        in message
    )
    assert visible(tmp_path) == ["model.bin.part"]
    path = fetch(published(server.address), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=100000-"
    assert visible(tmp_path) == ["model.bin"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.understands_ranges = False
    (tmp_path / "model.bin.part").write_bytes(b"x" * 500)
    assert fetch(published(server.address), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(("left", "requests"), [(CONTENT, 1), (CONTENT + b"more", 2)])
def test_a_whole_or_too_long_rest_of_an_earlier_call(server, tmp_path, left, requests):
    (tmp_path / "model.bin.part").write_bytes(left)
    assert fetch(published(server.address), tmp_path).read_bytes() == CONTENT
    assert len(server.ranges) == requests


def test_another_checksum_is_refused_and_removed(server, tmp_path):
    message = refusal(published(server.address, "0" * 64), tmp_path)
    assert HASH in message
    assert "0" * 64 in message
    assert "the file was deleted" in message
    assert visible(tmp_path) == []


def test_a_web_page_is_no_model(server, tmp_path):
    server.kind = "text/html; charset=utf-8"
    assert "sent a web page" in refusal(published(server.address, None), tmp_path)
    assert visible(tmp_path) == []


@pytest.mark.parametrize("elsewhere", ["ftp://127.0.0.1/model.bin", "file:///etc/hostname"])
def test_only_http_and_https(server, tmp_path, elsewhere):
    by_hand = f"download model.bin from https://authors.example/ to {tmp_path / 'model.bin'}"
    assert by_hand in refusal(published(elsewhere), tmp_path)
    server.moved_to = elsewhere
    assert by_hand in refusal(published(server.address), tmp_path)
    assert visible(tmp_path) == []


def test_offline_it_says_where_the_file_goes(server, tmp_path):
    with serving(BaseHTTPRequestHandler) as closed:
        pass  # the port is free again, with no listener
    by_hand = f"download model.bin from https://authors.example/ to {tmp_path / 'model.bin'}"
    message = refusal(published(closed), tmp_path)
    assert "Connection refused" in message
    assert by_hand in message
    missing = refusal(published(server.address.replace("model.bin", "absent")), tmp_path)
    assert "Not Found" in missing
    assert by_hand in missing
    assert refusal(published(None), tmp_path).endswith(by_hand)


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    message = refusal(published(server.address), tmp_path / "file")
    assert "cannot be written" in message
    assert "LIPSYNC_CACHE" in message


def test_load_model_takes_their_names(server, tmp_path, monkeypatch):
    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path / "cache"))
    expert = SyncNet(96, 0.125, 0.0)
    save_model(expert, tmp_path / "m.safetensors")
    server.content = (tmp_path / "m.safetensors").read_bytes()
    known = replace(published(server.address, None), name="expert_online")
    monkeypatch.setitem(online.ONLINE, "expert_online", known)
    assert load_model("expert_online").config == expert.config
    assert (tmp_path / "cache" / "model.bin").exists()

    with pytest.raises(CheckpointError, match=r"wav2lip_gan: .*/cache/wav2lip_gan\.pth"):
        load_model("wav2lip_gan")


def test_the_cache_is_the_user_s(monkeypatch, tmp_path):
    monkeypatch.delenv("LIPSYNC_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lipsync"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "lipsync"


def test_what_is_known_of_the_published_files():
    assert {model.file for model in ONLINE.values()} >= {"wav2lip_gan.pth", "syncnet_v2.model"}
    for name, model in ONLINE.items():
        assert model.name == name
        assert model.licence
        assert model.published.startswith("https://")
