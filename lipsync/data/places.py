"""A folder of files, on a disk or behind any URL that fsspec knows: ``s3://``, ``gs://``, ``http://``.

Keys and addresses of a service come from where its own programs have them
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

from lipsync.errors import ConfigError, LipsyncError

for _library in ("aiobotocore", "botocore"):  # they say where they found credentials, every time
    logging.getLogger(_library).setLevel(logging.WARNING)

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


def is_url(root: str | Path) -> bool:
    """Whether a place is behind a URL; ``file://`` is."""
    return "://" in str(root)


def local_or_url(root: str | Path) -> str | Path:
    """A URL as it is, anything else as a path."""
    return str(root) if is_url(root) else Path(root)


class Place:
    """A folder whose files are read and written whole, or read in parts.

    Args:
        root: a path, or a URL.
        option: what names it on the command line, for messages.

    Raises:
        ConfigError: a URL that nothing here can open; says what to install.
    """

    def __init__(self, root: str | Path, option: str = "") -> None:
        self.root, self.name = str(root).rstrip("/") or "/", f"{option}={root}" * bool(option)
        self.name = self.name or str(root)
        path = self.root.removeprefix("file://")
        self.local = None if is_url(path) else Path(path)
        with self._named("opened"):
            _ = self._files

    @property
    def _files(self) -> tuple[Any, str]:  # instances are fsspec's to keep, apart in every process
        return fsspec.url_to_fs(self.root)

    def path(self, name: str) -> str:
        """Where a file lies, to be shown."""
        return f"{self.root}/{name}"

    def read(self, name: str, begin: int | None = None, end: int | None = None) -> bytes:
        """A file, or its bytes from ``begin`` to ``end``; fewer where the file ends before.

        Raises:
            FileNotFoundError: there is no such file.
            LipsyncError: it cannot be read; one line.
        """
        files, root = self._files
        with self._named("read", name):
            try:
                data = files.cat_file(f"{root}/{name}", start=begin, end=end)
            except Exception as error:
                beyond = getattr(error, "status", 0) == 416 or "not satisfiable" in str(error)
                if begin is None or not beyond:
                    raise
                data = b""  # all of the part lies beyond the file's end
        if end is not None and len(data) > end - begin:
            raise ConfigError(
                f"{self.path(name)}: the server ignores HTTP range requests; use one that "
                "supports them, or copy the set to a disk"
            )
        return data

    def has(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            LipsyncError: it cannot be read; one line.
        """
        try:
            self.read(name, 0, 1)
        except FileNotFoundError:
            return False
        return True

    def sizes(self) -> dict[str, int]:
        """Bytes of the files that lie directly in it; empty where a server has no lists.

        Raises:
            LipsyncError: it cannot be listed; one line.
        """
        files, root = self._files
        if self.root.startswith("http"):
            return {}
        try:
            with self._named("listed"):
                files.invalidate_cache()  # others write, too
                found = files.ls(root, detail=True)
        except FileNotFoundError:
            return {}
        return {each["name"].rpartition("/")[2]: each["size"] for each in found}

    def walk(self) -> dict[str, str]:
        """All files below it, by their paths, each with what changes when the file does.

        Raises:
            ConfigError: there is no such place, or it cannot be listed; one line.
        """
        files, root = self._files
        try:
            with self._named("listed"):
                files.invalidate_cache()
                found = files.find(root, detail=True)
        except FileNotFoundError:
            found = {}
        if not found:
            raise ConfigError(f"{self.name}: there is nothing")
        root = root.rstrip("/") + "/"
        return {path.removeprefix(root): _version(about) for path, about in sorted(found.items())}

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to this disk.

        Raises:
            FileNotFoundError: there is no such file.
            LipsyncError: it cannot be read; one line.
        """
        files, root = self._files
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._named("read", name):
            files.get_file(f"{root}/{name}", str(target))

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless there is one; of several who try at once, one does.

        Raises:
            LipsyncError: it cannot be written; one line.
        """
        files, root = self._files
        with self._named("written", name):
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
        """Move a file of this disk here, whole or not at all.

        Raises:
            LipsyncError: it cannot be written; one line.
        """
        files, root = self._files
        with self._named("written", name):
            if self.local is None:
                files.put_file(str(source), f"{root}/{name}")
                source.unlink()
                return
            with _making(self.local / name) as making:
                shutil.move(source, making)

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all.

        Raises:
            LipsyncError: it cannot be written; one line.
        """
        files, root = self._files
        with self._named("written", name):
            if self.local is None:
                files.pipe_file(f"{root}/{name}", data)
                return
            with _making(self.local / name) as making:
                making.write_bytes(data)

    def remove(self, name: str) -> None:
        """Remove a file."""
        files, root = self._files
        with self._named("removed", name):
            files.rm_file(f"{root}/{name}")

    @contextmanager
    def _named(self, what: str, name: str = "") -> Iterator[None]:
        """Whatever a file system raises, as one line with the place, the cause and a remedy."""
        try:
            yield
        except LipsyncError:
            raise
        except Exception as error:  # every file system has its own, behind libraries of its own
            if isinstance(error, FileNotFoundError) and what in ("read", "listed", "removed"):
                raise  # for the caller, who knows what it means
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
            extra = "'lipsync-lab[shards]'" if package == "s3fs" else package
            return f"; pip install {extra}" if package else ""
        if isinstance(error, PermissionError):
            return "; check that the credentials in use have access"
        if "Credentials" in kind:
            return "; set the credentials, for s3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        unanswered = isinstance(error, OSError) or re.search("Connect|Timeout", kind)
        if self.local is None and unanswered and not isinstance(error, FileNotFoundError):
            return "; check that the server is reachable from this machine"
        return ""


@contextmanager
def _making(target: Path) -> Iterator[Path]:
    """Where to write a file until it is whole; several processes may write the same."""
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        yield making
        making.replace(target)
    finally:
        making.unlink(missing_ok=True)


def _version(about: dict[str, Any]) -> str:
    """Of a file, by what its file system says of it."""
    changes = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified")
    return f"{about.get('size')} " + str(next((about[n] for n in changes if about.get(n)), ""))


def free_folder(option: str, folder: str | Path) -> Path:
    """A folder of this machine for files of our own, made where it is missing.

    Raises:
        ConfigError: it cannot be written.
    """
    folder = Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option}={folder}: cannot be created ({error.strerror})") from None
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{option}={folder}: cannot be written; name another folder")
    return folder
