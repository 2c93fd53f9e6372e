"""A local fake of the Hugging Face Hub, for downloads and uploads."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """The hub's content, behaviour and log of requests.

    Attributes:
        revisions: (repo, revision) -> commit; a commit maps to itself.
        files: (repo, commit) -> name -> content.
        licence: of every repository's page.
        asked: method and path of every request, in order.
        tokens: the Authorization headers of every request.
        cut: bytes after which the next file breaks off; None sends all.
        status: status code to return for every request instead.
        moved: redirect files to this address.
        private: repository -> whether it was made private.
    """

    def __init__(self) -> None:
        self.revisions: dict[tuple[str, str], str] = {}
        self.files: dict[tuple[str, str], dict[str, bytes]] = {}
        self.licence: str | None = "apache-2.0"
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.cut: int | None = None
        self.status: int | None = None
        self.moved: str | None = None
        self.private: dict[str, bool] = {}
        self.stored: dict[str, bytes] = {}
        self.address = ""

    def put(self, repo: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Add files to the existing ones in a new commit, and return it."""
        before = self.files.get((repo, self.revisions.get((repo, revision), "")), {})
        content = {**before, **files}
        text = repr(sorted((name, hashlib.sha256(c).hexdigest()) for name, c in content.items()))
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.files[repo, commit] = content
        self.revisions[repo, revision] = self.revisions[repo, commit] = commit
        return commit


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self._refused():
            return
        parts = path.strip("/").split("/")
        if path.startswith("/api/models/"):
            self._about("/".join(parts[2:4]), "/".join(parts[5:]))
        elif parts[2] == "resolve":
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._refused():
            return
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            self.hub.private[repo] = (
                bool(asked.get("private")) or asked.get("visibility") == "private"
            )
            self._json({"url": f"{self.hub.address}/{repo}"})
        elif path == "/api/validate-yaml":
            self._json({"warnings": [], "errors": []})
        elif "/preupload/" in path:
            files = [
                {"path": f["path"], "uploadMode": mode(f["path"]), "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif path.endswith("/info/lfs/objects/batch"):
            self._json(
                {
                    "transfer": "basic",
                    "objects": [self._slot(o) for o in json.loads(body)["objects"]],
                }
            )
        elif "/commit/" in path:
            self._commit(path, body)
        else:
            self.send_error(404)

    def do_PUT(self) -> None:
        self.hub.asked.append(f"PUT {self.path}")
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.stored[self.path.rpartition("/")[2]] = content
        self._json({})

    def _refused(self) -> bool:
        self.hub.asked.append(f"{self.command} {self.path}")
        self.hub.tokens.append(self.headers.get("Authorization"))
        if self.hub.status is not None:
            self.send_error(self.hub.status)
        return self.hub.status is not None

    def _about(self, repo: str, revision: str) -> None:
        commit = self.hub.revisions.get((repo, revision))
        if commit is None:
            known = any(repo == there for there, _ in self.hub.revisions)
            self.send_response(404 if known else 401)
            code = "RevisionNotFound" if known else "RepoNotFound"
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        siblings = [
            {"rfilename": name, "lfs": {"sha256": hashlib.sha256(content).hexdigest()}}
            for name, content in self.hub.files[repo, commit].items()
        ]
        card = {"license": self.hub.licence} if self.hub.licence else None
        self._json({"id": repo, "sha": commit, "siblings": siblings, "cardData": card})

    def _file(self, repo: str, commit: str, name: str) -> None:
        if self.hub.moved:
            self.send_response(302)
            self.send_header("Location", f"{self.hub.moved}/{repo}/resolve/{commit}/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, asked = self.hub.files[repo, commit][name], self.headers.get("Range")
        start = int(asked[6:-1]) if asked else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.hub.cut])

    def _slot(self, wanted: dict) -> dict:
        upload = {"href": f"{self.hub.address}/store/{wanted['oid']}"}
        return {**wanted, "actions": {"upload": upload}}

    def _commit(self, path: str, body: bytes) -> None:
        repo, _, revision = path.removeprefix("/api/models/").partition("/commit/")
        files = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
        commit = self.hub.put(repo, files, revision)
        url = f"{self.hub.address}/{repo}/commit/{commit}"
        self._json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def _json(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def mode(name: str) -> str:
    """How the hub expects a file to be uploaded."""
    return "lfs" if name.endswith(".safetensors") else "regular"


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub at ``hub.address`` while the block runs."""
    handler = type("Handler", (Handler,), {"hub": hub})
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    hub.address = f"http://127.0.0.1:{listener.server_port}"
    try:
        yield hub
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
