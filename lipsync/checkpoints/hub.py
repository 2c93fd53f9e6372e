"""Models of the Hugging Face Hub by address, ``hf://org/repo[/file][@revision]``: safetensors only.

Uses plain HTTPS; only the requested file is downloaded, and nothing in it is executed.
``HF_ENDPOINT``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE`` work as in the hub's own tools.
"""

from __future__ import annotations

import json
import logging
import os
import re
import urllib.request as http
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from lipsync.checkpoints.files import is_safetensors, whole_files
from lipsync.checkpoints.online import OnlineModel, fetch, open_url
from lipsync.errors import CheckpointError
from lipsync.speeds import cache_folder

log = logging.getLogger(__name__)

SCHEME = "hf://"
MAIN_FILE = "model.safetensors"
"""The file to use if an address names none and the repository has several."""

_ADDRESS = re.compile(
    r"hf://(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:/(?P<file>[^@]*))?(?:@(?P<revision>[\w./-]+))?"
)
_FILE = re.compile(r"(?:\w[^/\\:]*/)*\w[^/\\:]*\.safetensors")  # cannot escape the cache
_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class HubAddress:
    """A parsed ``hf://org/repo[/file][@revision]``.

    Attributes:
        repo: ``org/repo``.
        file: file in the repository; None for its only ``.safetensors``, or :data:`MAIN_FILE`.
        revision: a branch, a tag or a commit.
    """

    repo: str
    file: str | None = None
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> HubAddress:
        """Parse an address.

        Raises:
            CheckpointError: it is invalid, or names a file that is not a ``.safetensors``.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None or ".." in text:
            form = f"expected {SCHEME}org/repo, {SCHEME}org/repo/file.safetensors or ...@revision"
            raise CheckpointError(text, "is not a model address", form)
        file = found["file"]
        if file is not None and not file.endswith(".safetensors"):
            raise CheckpointError(
                text,
                f"{file} is not a .safetensors file",
                "only .safetensors files are loaded from the hub",
            )
        return cls(found["repo"], file, found["revision"] or "main")

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        revision = f"@{self.revision}" if self.revision != "main" else ""
        return f"{SCHEME}{self.repo}{file}{revision}"


def endpoint() -> str:
    """The hub's address: ``$HF_ENDPOINT``, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def token() -> str | None:
    """``$HF_TOKEN``, or the token stored by ``hf auth login``; None without either."""
    if given := os.environ.get("HF_TOKEN", "").strip():
        return given
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    cached = Path(os.environ.get("HF_TOKEN_PATH") or Path(home) / "token")
    try:
        return cached.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def fetch_from_hub(text: str) -> Path:
    """The cached file of a model at an address, downloaded first if necessary.

    The cache is organised by commit. A branch or tag is looked up each time, or offline resolves to
    the commit seen last; a cached commit needs no network.

    Raises:
        CheckpointError: one line on what is wrong with the address, the repository, the network
            or the file, and what to do.
    """
    address = HubAddress.parse(text)
    folder = cache_folder() / "hub" / address.repo.replace("/", "--")
    known = _revision(address, folder)
    name = _choose_file(address, known["files"])
    page = f"{endpoint()}/{address.repo}"
    model = OnlineModel(
        name=str(address),
        file=name,
        url=f"{page}/resolve/{known['commit']}/{quote(name)}",
        sha256=known["files"][name],
        licence=known["licence"] or "its page names no licence",
        published=page,
        token=token(),
    )
    path = fetch(model, folder / known["commit"])
    if not is_safetensors(path):
        path.unlink()
        problem = f"{name} is not a safetensors file despite its name; it was deleted unread"
        raise CheckpointError(str(address), problem, f"report it at {page}")
    return path


def _choose_file(address: HubAddress, files: dict[str, str | None]) -> str:
    """The file of a repository that an address refers to."""
    if address.file in files:
        return address.file
    available = ", ".join(sorted(files))
    if not files:
        problem = f"has no .safetensors file in revision {address.revision}"
        raise CheckpointError(
            str(address), problem, "only .safetensors files are loaded from the hub"
        )
    if address.file is not None:
        problem = f"has no {address.file} in revision {address.revision}"
        raise CheckpointError(str(address), problem, f"it has: {available}")
    if MAIN_FILE in files:
        return MAIN_FILE
    if len(files) != 1:
        problem = f"has several .safetensors files: {available}"
        raise CheckpointError(str(address), problem, f"name one: {SCHEME}{address.repo}/FILE")
    return next(iter(files))


def _revision(address: HubAddress, folder: Path) -> dict[str, Any]:
    """Commit, files (name -> SHA-256 or None) and licence of a revision, from the hub or the
    cache."""
    cached = folder / f"{quote(address.revision, safe='')}.json"
    if cached.is_file() and _COMMIT.fullmatch(address.revision):
        return json.loads(cached.read_text(encoding="utf-8"))  # a commit never changes
    try:
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise URLError("HF_HUB_OFFLINE is set")
        known = _query_revision(address)
    except HTTPError as error:
        raise CheckpointError(str(address), *_refusal(address, error)) from error
    except (OSError, HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        if not cached.is_file():
            raise CheckpointError(
                str(address),
                f"{endpoint()} cannot be reached ({reason}), and no copy is in the cache",
                "connect to the network once, or download the file elsewhere from "
                f"{endpoint()}/{address.repo} and pass its path",
            ) from error
        known = json.loads(cached.read_text(encoding="utf-8"))
        log.warning("%s: %s; using the cached commit %s", address, reason, known["commit"][:12])
        return known
    commit = folder / f"{known['commit']}.json"
    for path in {cached, commit}:
        with whole_files(path) as (file,):
            file.write_text(json.dumps(known), encoding="utf-8")
    return known


def _query_revision(address: HubAddress) -> dict[str, Any]:
    """Query the hub for a revision; raises :mod:`urllib`'s errors."""
    revision = quote(address.revision, safe="")
    request = http.Request(
        f"{endpoint()}/api/models/{address.repo}/revision/{revision}?blobs=true",
        headers={"User-Agent": "lipsync"},
    )
    with open_url(request, token()) as answer:
        content = answer.read()
    try:
        about = json.loads(content)
        commit, licence = about["sha"], (about.get("cardData") or {}).get("license")
        if not _COMMIT.fullmatch(commit):
            raise ValueError(commit)
        files = {
            entry["rfilename"]: (entry.get("lfs") or {}).get("sha256")
            for entry in about["siblings"]
            if _FILE.fullmatch(entry["rfilename"])
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{endpoint()} does not answer like a model hub"
        raise CheckpointError(str(address), problem, "check HF_ENDPOINT") from error
    return {"commit": commit, "files": files, "licence": licence}


def _refusal(address: HubAddress, error: HTTPError) -> tuple[str, str]:
    """Problem and remedy for the hub's error response to a query for a revision."""
    page, code = f"{endpoint()}/{address.repo}", error.headers.get("X-Error-Code")
    if code == "GatedRepo":
        return "is gated", f"accept its terms at {page}, and set HF_TOKEN to your access token"
    if code == "RevisionNotFound":
        return f"has no revision {address.revision}", f"see {page}/tree/main"
    if error.code in (401, 403, 404):
        remedy = "check the name, or set HF_TOKEN to a token with read access"
        return "no such repository on the hub, or it is private", remedy
    return f"{endpoint()} answers {error.code} ({error.reason})", "try again later"
