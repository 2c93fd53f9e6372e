"""Leases on parts of the work, so that several runs can share one output.

A lease is a small file that names its holder, which rewrites it every few seconds. A run that sees
a lease unchanged for a minute, by its own clock, presumes the holder dead; clocks of different
machines are never compared. Two runs may still hold the same lease, if a file system lets both
create the file or a holder was wrongly presumed dead; both then write the same part, byte for byte.
"""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress

from lipsync.data.places import Place
from lipsync.errors import LipsyncError

BEAT = 15.0  # seconds between heartbeats
EXPIRES = 60.0  # seconds without a heartbeat after which a lease expires


class Lease:
    """The right to work on one part; claim it, then use it in a ``with`` block.

    Args:
        place: folder shared by all runs.
        name: name of the lease's file.
        run: name of this run, which may reclaim leases left by its own failed attempts.
    """

    def __init__(self, place: Place, name: str, run: str) -> None:
        self.place, self.name, self.run = place, name, run
        self._released = threading.Event()

    def claim(self, expired: str = "") -> str:
        """Take the lease if it is free or this run's own, or if its last heartbeat is ``expired``.

        Returns:
            The current holder's last heartbeat; empty if this run now holds the lease.
        """
        while not self.place.create(self.name, self._heartbeat()):
            heartbeat = last_heartbeat(self.place, self.name)
            if heartbeat and heartbeat != expired and heartbeat.split()[0] != self.run:
                return heartbeat
            if heartbeat:
                self.place.write(self.name, self._heartbeat())
                return ""
        return ""

    def _heartbeat(self) -> bytes:
        return f"{self.run} {uuid.uuid4().hex}".encode()

    def __enter__(self) -> Lease:
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._released.set()
        self._thread.join()
        with suppress(LipsyncError, FileNotFoundError):  # it will expire, or is already gone
            self.place.remove(self.name)

    def _keep_alive(self) -> None:
        while not self._released.wait(BEAT):
            with suppress(LipsyncError):
                self.place.write(self.name, self._heartbeat())


def last_heartbeat(place: Place, name: str) -> str:
    """Last heartbeat of a lease's holder; empty if nobody holds it."""
    try:
        return place.read(name).decode("utf-8", "replace").strip() or "unknown"
    except FileNotFoundError:
        return ""


class Watch:
    """Detects expired leases, by this machine's clock."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def expired(self, name: str, heartbeat: str) -> bool:
        """Whether this heartbeat was first seen here at least ``EXPIRES`` seconds ago."""
        known, since = self._seen.get(name, ("", 0.0))
        if known != heartbeat:
            self._seen[name] = (heartbeat, time.monotonic())
            return False
        return time.monotonic() - since >= EXPIRES
