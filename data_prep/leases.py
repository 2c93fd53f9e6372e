"""Leases on parts of the work, so that runs which write to one place share it.

A lease is a small file that names its holder. The holder writes it anew every few seconds, and one
that stays the same for a minute, by the clock of who looks at it, is that of a run which is gone:
clocks of different machines are never compared. Two may still hold one lease, where a file system
lets several create the same file, or where a holder that was taken for gone is not; both then make
the same part, of the same bytes.
"""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress

from lipsync.data.places import Place
from lipsync.errors import LipsyncError

BEAT = 15.0  # seconds between two signs of life
EXPIRES = 60.0  # seconds without one


class Lease:
    """The right to work on one part; use it in a ``with`` block once it is claimed.

    Args:
        place: that all runs share.
        name: of the file.
        run: who asks: what a run's earlier try has left is its own.
    """

    def __init__(self, place: Place, name: str, run: str) -> None:
        self.place, self.name, self.run = place, name, run
        self._over = threading.Event()

    def claim(self, expired: str = "") -> str:
        """Take it, if it is free or its holder's sign of life is ``expired``.

        Returns:
            The holder's last sign of life; empty if it is ours now.
        """
        while not self.place.create(self.name, self._sign()):
            held = held_by(self.place, self.name)
            if held and held != expired and held.split()[0] != self.run:
                return held
            if held:
                self.place.write(self.name, self._sign())
                return ""
        return ""

    def _sign(self) -> bytes:
        return f"{self.run} {uuid.uuid4().hex}".encode()

    def __enter__(self) -> Lease:
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()
        with suppress(LipsyncError, FileNotFoundError):  # it expires, or another's was removed
            self.place.remove(self.name)

    def _live(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(LipsyncError):
                self.place.write(self.name, self._sign())


def held_by(place: Place, name: str) -> str:
    """The last sign of life of a lease's holder; empty if nobody holds it."""
    try:
        return place.read(name).decode("utf-8", "replace").strip() or "unknown"
    except FileNotFoundError:
        return ""


class Watch:
    """Tells which leases have expired, by this machine's clock."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def expired(self, name: str, sign: str) -> bool:
        """Whether this sign of life was there when it was asked for ``EXPIRES`` seconds ago."""
        known, since = self._seen.get(name, ("", 0.0))
        if known != sign:
            self._seen[name] = (sign, time.monotonic())
            return False
        return time.monotonic() - since >= EXPIRES
