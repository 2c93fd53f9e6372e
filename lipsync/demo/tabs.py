"""Browser tabs: each has a private folder, which is deleted with the tab.

A tab sends a heartbeat twice a minute, and a message when it is closed. Without either it counts as
closed after some minutes (browsers throttle hidden tabs to one message a minute). Files have random
names, and are deleted after ``keep`` seconds in any case.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lipsync.demo.messages import Refusal

SILENT = 180.0  # seconds without a heartbeat after which a tab counts as closed
_MOST_TABS = 64
_MOST_FILES = 8  # maximum number of a tab's uploads not used by a job yet


@dataclass
class StoredFile:
    """A file of a tab: its kind ("face", "sound", "video" or "result") and creation time."""

    path: Path
    kind: str
    created: float


@dataclass
class Tab:
    """An open tab; ``files`` maps random names to files."""

    token: str
    folder: Path
    last_seen: float
    files: dict[str, StoredFile] = field(default_factory=dict)
    closed: bool = False


class Tabs:
    """All open tabs.

    Args:
        keep: maximum age of a file in seconds.
        on_close: called with a tab when it is closed, before its files are deleted.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        keep: float,
        on_close: Callable[[Tab], None] = lambda tab: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lipsync-demo-"))  # accessible to this user only
        self.on_close = on_close
        self._keep, self._clock = keep, clock
        self._tabs: dict[str, Tab] = {}
        self._lock = threading.Lock()

    def open(self) -> Tab:
        """Open a new tab.

        Raises:
            Refusal: there are too many.
        """
        with self._lock:
            if len(self._tabs) >= _MOST_TABS:
                raise Refusal("Too many pages of this demo are open; close some.", 503)
            token = secrets.token_urlsafe(16)
            tab = Tab(token, self.folder / secrets.token_hex(8), self._clock())
            tab.folder.mkdir(mode=0o700)
            self._tabs[token] = tab
            return tab

    def get(self, token: str) -> Tab:
        """The tab of a token; counts as a heartbeat.

        Raises:
            Refusal: there is no such tab, or it has been closed.
        """
        tab = self._tabs.get(token)
        if tab is None:
            raise Refusal("This page was closed or idle for too long; reload it.", 410)
        tab.last_seen = self._clock()
        return tab

    def new_path(self, tab: Tab, suffix: str = "") -> Path:
        """A path with a random name in a tab's folder."""
        return tab.folder / f"{secrets.token_hex(12)}{suffix}"

    def check_room(self, tab: Tab) -> None:
        """Raise Refusal if a tab has too many uploads."""
        if sum(stored.kind != "result" for stored in tab.files.values()) >= _MOST_FILES:
            raise Refusal("Too many unused uploads; reload the page.", 429)

    def register(self, tab: Tab, path: Path, kind: str) -> str:
        """Register a file in a tab's folder, and return its name."""
        with self._lock:
            if not tab.closed:
                tab.files[path.stem] = StoredFile(path, kind, self._clock())
                return path.stem
        path.unlink(missing_ok=True)
        raise Refusal("This page was closed.", 410)

    def file(self, tab: Tab, name: object, kind: str) -> Path:
        """The path of a tab's file.

        Raises:
            Refusal: the tab has no such file, or it is of another kind.
        """
        stored = tab.files.get(name) if isinstance(name, str) else None
        if stored is None or stored.kind != kind or not stored.path.is_file():
            what = "result" if kind == "result" else "upload"
            raise Refusal(f"This {what} has been deleted, as all files are after use.", 404)
        return stored.path

    def forget(self, tab: Tab, *paths: Path) -> None:
        """Delete files of a tab."""
        for path in paths:
            tab.files.pop(path.stem, None)
            path.unlink(missing_ok=True)

    def forget_uploads(self, tab: Tab, names: Iterable[object]) -> None:
        """Delete a tab's uploads by name; invalid names are ignored."""
        found = [tab.files.get(name) for name in names if isinstance(name, str)]
        self.forget(tab, *(one.path for one in found if one and one.kind != "result"))

    def close(self, token: str) -> None:
        """Close a tab: end its jobs and delete its files."""
        with self._lock:
            tab = self._tabs.pop(token, None)
            if tab is None:
                return
            tab.closed = True
        self.on_close(tab)
        self.clear(tab)

    def clear(self, tab: Tab) -> None:
        """Delete the folder of a tab."""
        tab.files.clear()
        shutil.rmtree(tab.folder, ignore_errors=True)

    def sweep(self, busy: Callable[[Tab], bool] = lambda tab: False) -> None:
        """Close tabs without a heartbeat, and delete expired files.

        ``busy`` tells whether a tab has a job that still needs its uploads.
        """
        now = self._clock()
        for tab in list(self._tabs.values()):
            if now - tab.last_seen > SILENT:
                self.close(tab.token)
            elif not busy(tab):
                old = [s.path for s in list(tab.files.values()) if now - s.created > self._keep]
                self.forget(tab, *old)

    def end(self) -> None:
        """Close all tabs and delete everything."""
        for token in list(self._tabs):
            self.close(token)
        shutil.rmtree(self.folder, ignore_errors=True)
