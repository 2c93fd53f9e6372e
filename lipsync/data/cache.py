"""A size-limited, least-recently-used cache of remote files on a node's local disk.

All processes of a node share one folder without locks: files are added atomically, and the process
that adds one evicts others from the same bucket.
"""

from __future__ import annotations

import logging
import os
import zlib
from contextlib import suppress
from pathlib import Path

from lipsync.data.places import free_folder
from lipsync.errors import ConfigError

log = logging.getLogger(__name__)

_LEAVES = 256  # subfolders over which files are spread
_BUCKET = 1 << 28  # minimum limit of a bucket in bytes, many times the size of a clip


class Cache:
    """A cache folder.

    Args:
        folder: a folder on this node's disk.
        gigabytes: maximum size.

    Raises:
        ConfigError: an invalid size, or a folder that cannot be written.
    """

    def __init__(self, folder: str | Path, gigabytes: float) -> None:
        if not gigabytes > 0:
            raise ConfigError(f"data.shards.cache_gb={gigabytes}: must be above 0")
        self.folder = free_folder("data.shards.cache", folder)
        limit = int(gigabytes * 1e9)
        self.buckets = min(_LEAVES, max(1, limit // _BUCKET))
        self.limit = limit // self.buckets
        self._full = False

    def get(self, name: str) -> Path | None:
        """Path of a cached file; None if it is not cached."""
        path = self._path(name)
        try:
            os.utime(path)  # mark as recently used
        except OSError:
            return None
        return path

    def read(self, name: str) -> bytes | None:
        """Contents of a cached file; None if it is not cached, or was just evicted."""
        path = self.get(name)
        try:
            return path and path.read_bytes()
        except OSError:
            return None

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Cache a file, if the disk has room."""
        path = self._path(name)
        making = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._make_room(int(path.parent.name, 16) % self.buckets, len(data))
            path.parent.mkdir(exist_ok=True)
            making.write_bytes(data)
            making.replace(path)
        except OSError as error:
            making.unlink(missing_ok=True)
            if not self._full:
                log.warning("%s: %s; clips are read without caching", self.folder, error.strerror)
            self._full = True

    def _path(self, name: str) -> Path:
        return self.folder / f"{zlib.crc32(name.encode()) % _LEAVES:02x}" / name

    def _make_room(self, bucket: int, needed: int) -> None:
        found = []
        for leaf in range(bucket, _LEAVES, self.buckets):
            try:
                with os.scandir(self.folder / f"{leaf:02x}") as entries:
                    files = [Path(entry.path) for entry in entries]
            except FileNotFoundError:  # no such subfolder yet
                continue
            for file in files:
                with suppress(FileNotFoundError):  # evicted by another process
                    stat = file.stat()
                    found.append((stat.st_mtime_ns, stat.st_size, file))
        held = sum(size for _, size, _ in found)
        for _, size, file in sorted(found):
            if held + needed <= self.limit:
                return
            file.unlink(missing_ok=True)
            held -= size
