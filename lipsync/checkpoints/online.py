"""Published weights by name: downloaded once into a cache, or placed there by hand."""

from __future__ import annotations

import logging
import urllib.request as http
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from filelock import FileLock
from tqdm import tqdm

from lipsync.checkpoints.files import sha256
from lipsync.errors import CheckpointError
from lipsync.speeds import cache_folder

log = logging.getLogger(__name__)

_ATTEMPTS = 3  # connections before giving up; each resumes where the last one stopped
_BLOCK = 1 << 20
_SILENCE = 30.0  # seconds without data after which a connection counts as lost


@dataclass(frozen=True)
class OnlineModel:
    """Weights published by their authors.

    Attributes:
        name: name for :func:`lipsync.checkpoints.load_model`.
        file: the published file name, also used in the cache.
        url: download address; None if no permanent public one is known.
        sha256: of the file, hexadecimal; None if unknown.
        licence: its terms of use.
        published: the authors' page.
        token: sent to the server of ``url`` only, not to redirects.
    """

    name: str
    file: str
    url: str | None
    sha256: str | None
    licence: str
    published: str
    token: str | None = field(default=None, repr=False)


_WAV2LIP = (
    "trained on LRS2: for research, academic and personal use only, no commercial use",
    "https://github.com/Rudrabha/Wav2Lip",
)
_SYNCNET = (
    "published by its authors for research; their page has the terms",
    "https://www.robots.ox.ac.uk/~vgg/software/lipsync/",
)
ONLINE = {
    model.name: model
    for model in (
        OnlineModel("wav2lip", "wav2lip.pth", None, None, *_WAV2LIP),
        OnlineModel("wav2lip_gan", "wav2lip_gan.pth", None, None, *_WAV2LIP),
        OnlineModel("lipsync_expert", "lipsync_expert.pth", None, None, *_WAV2LIP),
        OnlineModel("visual_quality_disc", "visual_quality_disc.pth", None, None, *_WAV2LIP),
        OnlineModel(
            "syncnet_v2",
            "syncnet_v2.model",
            "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",
            None,
            *_SYNCNET,
        ),
    )
}


def fetch(model: OnlineModel, folder: Path | None = None) -> Path:
    """The cached file of a model, downloaded first if necessary.

    An interrupted download is resumed, by this call or the next. The file appears under its name
    only when it is complete and matches its SHA-256, if known.

    Args:
        model: one of :data:`ONLINE`, or of the hub.
        folder: used instead of :func:`cache_folder`.

    Raises:
        CheckpointError: it cannot be downloaded, does not match its hash, or cannot be written;
            the message says where to place the file by hand.
    """
    path = (folder or cache_folder()) / model.file
    if path.is_file():
        return path
    by_hand = f"download {model.file} from {model.published} to {path}"
    if model.url is None:
        raise CheckpointError(model.name, "no permanent download address is known", by_hand)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):  # other processes wait
            if not path.is_file():
                log.warning("%s: %s (%s)", model.name, model.licence, model.published)
                _download(model, model.url, path, by_hand)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(
            path, f"cannot be written ({reason})", "set LIPSYNC_CACHE to another folder"
        ) from error
    return path


def _download(model: OnlineModel, url: str, path: Path, by_hand: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        if not any(_resume_download(url, part, model.token) for _ in range(_ATTEMPTS)):
            done = part.stat().st_size / 1e6
            problem = f"{url} broke off after {done:.1f} MB in {_ATTEMPTS} attempts"
            raise CheckpointError(
                model.name, problem, "run the command again to resume the download"
            )
    except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
        reason = getattr(error, "reason", None) or error
        problem = f"cannot be fetched from {url} ({reason})"
        raise CheckpointError(model.name, problem, by_hand) from error
    found = sha256(part)
    if model.sha256 is not None and found != model.sha256:
        part.unlink()
        problem = f"{url} sent SHA-256 {found}, expected {model.sha256}; the file was deleted"
        raise CheckpointError(model.name, problem, by_hand)
    part.replace(path)


def _resume_download(url: str, part: Path, token: str | None = None) -> bool:
    """Download what ``part`` lacks; False if the connection was lost.

    Raises:
        URLError, HTTPException, ConnectionError, TimeoutError: no connection, or no such file.
        OSError: ``part`` cannot be written.
    """
    received = part.stat().st_size if part.exists() else 0
    request = http.Request(url, headers={"User-Agent": "lipsync", "Accept-Encoding": "identity"})
    if received:
        request.add_header("Range", f"bytes={received}-")
    try:
        answer = open_url(request, token)
    except HTTPError as error:
        if error.code != 416:  # range not satisfiable: we have all of it, or too much
            raise
        if error.headers.get("Content-Range") == f"bytes */{received}":
            return True
        part.unlink()
        return False
    with answer:
        if answer.headers.get_content_type() == "text/html":
            raise URLError("the server sent a web page instead of the file")
        resumed = answer.status == 206
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {received}-"):
            raise URLError("the server sent another byte range than requested")
        received = received if resumed else 0
        length = answer.headers.get("Content-Length")
        total = received + int(length) if length is not None else None
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                desc=part.stem,
                initial=received,
                total=total,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as bar,
        ):
            while block := _read(answer):
                file.write(block)
                bar.update(len(block))
                received += len(block)
    return total is None or received == total


def open_url(request: http.Request, token: str | None = None) -> HTTPResponse:
    """Open an HTTP or HTTPS address, following redirects.

    Args:
        token: a bearer token; not sent to servers that we are redirected to.

    Raises:
        URLError, HTTPException, ConnectionError, TimeoutError: no connection, or no such file.
    """
    if urlsplit(request.full_url).scheme not in ("http", "https"):
        raise URLError("only http and https addresses can be fetched")
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    opener = http.OpenerDirector()
    for handler in (
        http.ProxyHandler,
        http.HTTPHandler,
        http.HTTPSHandler,
        http.HTTPRedirectHandler,
        http.HTTPDefaultErrorHandler,
        http.HTTPErrorProcessor,
        http.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener.open(request, timeout=_SILENCE)


def _read(answer: HTTPResponse) -> bytes:
    """The next bytes; empty at the end, and if the connection was lost."""
    try:
        return answer.read(_BLOCK)
    except (HTTPException, OSError):
        return b""
