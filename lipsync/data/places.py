"""A folder of files, on disk or at any URL that fsspec supports: ``s3://``, ``gs://``, ``http://``.

Credentials and endpoints are configured as for each service's own tools
(``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ``GOOGLE_APPLICATION_CREDENTIALS``, ...).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from lipsync.errors import ConfigError, LipsyncError, install_extra

for _library in ("aiobotocore", "botocore"):  # these log where they found credentials every time
    logging.getLogger(_library).setLevel(logging.WARNING)

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


def is_url(root: str | Path) -> bool:
    """Whether a place is a URL, including ``file://``."""
    return "://" in str(root)


def local_or_url(root: str | Path) -> str | Path:
    """A URL unchanged, anything else as a path."""
    return str(root) if is_url(root) else Path(root)


class Place:
    """A local or remote folder whose files are read (whole or in parts) and written.

    Args:
        root: a path or URL.
        option: the command-line option that names it, for messages.

    Raises:
        ConfigError: an unsupported URL; says what to install.
    """

    def __init__(self, root: str | Path, option: str = "") -> None:
        self.root, self.name = str(root).rstrip("/") or "/", f"{option}={root}" * bool(option)
        self.name = self.name or str(root)
        path = self.root.removeprefix("file://")
        self.local = None if is_url(path) else Path(path)
        with self._name_errors("opened"):
            _ = self._files

    @property
    def _files(self) -> tuple[Any, str]:  # fsspec caches instances per process
        return fsspec.url_to_fs(self.root)

    def path(self, name: str) -> str:
        """Location of a file, for display."""
        return f"{self.root}/{name}"

    def read(self, name: str, begin: int | None = None, end: int | None = None) -> bytes:
        """Read a file, or its bytes from ``begin`` to ``end``; fewer if the file ends earlier.

        Raises:
            FileNotFoundError: the file does not exist.
            LipsyncError: it cannot be read; one line.
        """
        files, root = self._files
        with self._name_errors("read", name):
            try:
                data = files.cat_file(f"{root}/{name}", start=begin, end=end)
            except Exception as error:
                beyond = getattr(error, "status", 0) == 416 or "not satisfiable" in str(error)
                if begin is None or not beyond:
                    raise
                data = b""  # the whole range is beyond the end of the file
        if end is not None and len(data) > end - begin:
            raise ConfigError(
                f"{self.path(name)}: the server ignores HTTP range requests; use one that "
                "supports them, or copy the set to a disk"
            )
        return data

    def has(self, name: str) -> bool:
        """Whether a file exists.

        Raises:
            LipsyncError: it cannot be read; one line.
        """
        try:
            self.read(name, 0, 1)
        except FileNotFoundError:
            return False
        return True

    def sizes(self) -> dict[str, int]:
        """Sizes in bytes of the files directly in this folder; empty over HTTP, without listings.

        Raises:
            LipsyncError: it cannot be listed; one line.
        """
        files, root = self._files
        if self.root.startswith("http"):
            return {}
        try:
            with self._name_errors("listed"):
                files.invalidate_cache()  # other processes may have written
                found = files.ls(root, detail=True)
        except FileNotFoundError:
            return {}
        return {each["name"].rpartition("/")[2]: each["size"] for each in found}

    def walk(self) -> dict[str, str]:
        """All files below this folder: path -> a version that changes when the file does.

        Raises:
            ConfigError: the folder is empty, does not exist or cannot be listed; one line.
        """
        files, root = self._files
        try:
            with self._name_errors("listed"):
                files.invalidate_cache()
                found = files.find(root, detail=True)
        except FileNotFoundError:
            found = {}
        if not found:
            raise ConfigError(f"{self.name}: there is nothing")
        root = root.rstrip("/") + "/"
        return {path.removeprefix(root): _version(about) for path, about in sorted(found.items())}

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to the local disk.

        Raises:
            FileNotFoundError: the file does not exist.
            LipsyncError: it cannot be read; one line.
        """
        files, root = self._files
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._name_errors("read", name):
            files.get_file(f"{root}/{name}", str(target))

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless it exists; of several concurrent writers only one succeeds.

        Returns:
            Whether this call wrote it.

        Raises:
            LipsyncError: it cannot be written; one line.
        """
        files, root = self._files
        with self._name_errors("written", name):
            try:
                if self.local is None:
                    files.pipe_file(f"{root}/{name}", data, mode="create")
                    return True
                target = self.local / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    file.write(data)
                return True
            except FileExistsError:
                return False

    def put(self, name: str, source: Path) -> None:
        """Move a local file here, atomically.

        Raises:
            LipsyncError: it cannot be written; one line.
        """
        files, root = self._files
        with self._name_errors("written", name):
            if self.local is None:
                files.put_file(str(source), f"{root}/{name}")
                source.unlink()
                return
            with _atomic_path(self.local / name) as making:
                shutil.move(source, making)

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically.

        Raises:
            LipsyncError: it cannot be written; one line.
        """
        files, root = self._files
        with self._name_errors("written", name):
            if self.local is None:
                files.pipe_file(f"{root}/{name}", data)
                return
            with _atomic_path(self.local / name) as making:
                making.write_bytes(data)

    def remove(self, name: str) -> None:
        """Remove a file."""
        files, root = self._files
        with self._name_errors("removed", name):
            files.rm_file(f"{root}/{name}")

    @contextmanager
    def _name_errors(self, what: str, name: str = "") -> Iterator[None]:
        """Turn any file system error into one line with place, cause and remedy."""
        try:
            yield
        except LipsyncError:
            raise
        except Exception as error:  # each file system has its own error classes
            if isinstance(error, FileNotFoundError) and what in ("read", "listed", "removed"):
                raise  # for the caller to handle
            where = f"{self.name}/{name}" if name else self.name
            text = " ".join(str(getattr(error, "strerror", None) or error).split())
            raise ConfigError(
                f"{where}: cannot be {what} ({type(error).__name__}: {text}){self._remedy(error)}"
            ) from error

    def _remedy(self, error: Exception) -> str:
        scheme = self.root.split("://")[0].rpartition("::")[2]
        kind = type(error).__name__
        if isinstance(error, ImportError):
            package = _PACKAGES.get(scheme)
            command = install_extra("shards") if package == "s3fs" else f"pip install {package}"
            return f"; {command}" if package else ""
        if isinstance(error, PermissionError):
            return "; check that the credentials in use have access"
        if "Credentials" in kind:
            return "; set the credentials, for s3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        unanswered = isinstance(error, OSError) or re.search("Connect|Timeout", kind)
        if self.local is None and unanswered and not isinstance(error, FileNotFoundError):
            return "; check that the server is reachable from this machine"
        return ""


@contextmanager
def _atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path, renamed to ``target`` on success; safe for concurrent writers."""
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        yield making
        making.replace(target)
    finally:
        making.unlink(missing_ok=True)


def _version(about: dict[str, Any]) -> str:
    """Version of a file from its size and whatever its file system reports."""
    changes = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified")
    return f"{about.get('size')} " + str(next((about[n] for n in changes if about.get(n)), ""))


def free_folder(option: str, folder: str | Path) -> Path:
    """A writable local folder, created if necessary.

    Raises:
        ConfigError: it cannot be created or written.
    """
    folder = Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option}={folder}: cannot be created ({error.strerror})") from None
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{option}={folder}: cannot be written; name another folder")
    return folder
