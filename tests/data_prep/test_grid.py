"""GRID's archives, from a local server that drops connections."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data_prep.grid import fetch_grid, main
from data_prep.scan import scan
from lipsync.errors import LipsyncError

VIDEO = bytes(range(256)) * 800


def archive(**members: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return whole.getvalue()


class Server:
    """Serves ``files`` by name; each response breaks off after ``most`` bytes."""

    def __init__(self) -> None:
        self.files = {
            "s1.zip": archive(
                **{"s1/bbaf2n.mpg": VIDEO, "s1/": b"", "s1/video/bbaf3s.mpg": VIDEO[:50]},
                **{"../../outside.mpg": b"x", "s1/$(touch x).mpg": b"x", "s1/readme.txt": b"x"},
            ),
            "s2.zip": archive(**{"s2/lwwx5p.mpg": VIDEO}),
            "alignments.zip": archive(**{"alignments/s1/bbaf2n.align": b"0 1 sil\n"}),
        }
        self.sums = {name: hashlib.md5(data).hexdigest() for name, data in self.files.items()}
        self.most, self.asked = 1 << 30, []
        self.url = ""

    def record(self) -> bytes:
        files = [
            {"key": name, "links": {"self": f"{self.url}/{name}"}, "checksum": f"md5:{digest}"}
            for name, digest in self.sums.items()
        ]
        return json.dumps({"files": files}).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path[1:]
            state.asked.append(name)
            content = state.record() if name == "record" else state.files[name]
            asked = self.headers.get("Range")
            start = int(asked[6:-1]) if asked else 0
            self.send_response(206 if start else 200)
            if start:
                size = len(content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            limit = len(content) if name == "record" else state.most
            self.wfile.write(content[start : start + limit])

        def log_message(self, *_: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    http.server_close()


def test_clips_and_alignments_where_they_belong(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "deep/down/grid"
    counts = fetch_grid(folder, ["s1"], f"{server.url}/record")
    assert counts == {"s1": 3, "alignments": 1}
    assert {item.key for item in scan(folder)} == {"s1/bbaf2n", "s1/bbaf3s", "s1/outside"}
    assert (folder / "s1/bbaf2n.mpg").read_bytes() == VIDEO
    assert (folder / "s1/bbaf2n.align").read_text() == "0 1 sil\n"
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert all(name.startswith("deep/down/grid/") for name in files)
    assert not any(name.endswith((".zip", ".part", ".tmp", ".txt")) for name in files)
    asked = len(server.asked)
    assert fetch_grid(folder, ["s1"], f"{server.url}/record") == counts
    assert server.asked[asked:] == ["record"]  # nothing twice


def test_goes_on_where_it_was_cut_off(server: Server, tmp_path: Path) -> None:
    server.most = len(server.files["s2.zip"]) // 5
    with pytest.raises(LipsyncError, match=r"broke off after .* run the command again"):
        fetch_grid(tmp_path, ["s2"], f"{server.url}/record")
    assert (tmp_path / ".archives/s2.zip.part").exists()
    assert fetch_grid(tmp_path, ["s2"], f"{server.url}/record")["s2"] == 1
    assert server.asked.count("s2.zip") <= 6  # five fifths, and at most one more for the rest
    assert (tmp_path / "s2/lwwx5p.mpg").read_bytes() == VIDEO


def test_what_was_not_published_is_refused(server: Server, tmp_path: Path) -> None:
    server.sums["s2.zip"] = "0" * 32
    with pytest.raises(LipsyncError, match=r"expected 0{32}; the file was deleted"):
        fetch_grid(tmp_path, ["s2"], f"{server.url}/record")
    assert not list(tmp_path.rglob("*.mpg"))
    assert not list(tmp_path.rglob("*.zip"))


def test_errors_of_one_line(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LipsyncError, match="GRID has no s99; available: alignments, s1, s2"):
        fetch_grid(tmp_path, ["s1", "s99"], f"{server.url}/record")
    with pytest.raises(LipsyncError, match="is not a dataset record"):
        fetch_grid(tmp_path, ["s1"], f"{server.url}/s1.zip")
    with pytest.raises(LipsyncError, match="only http and https"):
        fetch_grid(tmp_path, ["s1"], f"file://{tmp_path}")
    monkeypatch.setattr("data_prep.grid.fetch_grid.__defaults__", ("http://127.0.0.1:1/",))
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "--speakers", "s1"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: http://127.0.0.1:1/: cannot be fetched")
