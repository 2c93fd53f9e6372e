"""Protects this process's scheduling from encoders that change it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id

_THREADS = Path("/proc/self/task")


@contextmanager
def preserve_priority() -> Iterator[None]:
    """After the block, restore the scheduling of this thread and of those started within.

    Run as root, SVT-AV1 gives its threads, and the one that opens it, real-time scheduling at the
    highest priority. Threads and processes started later inherit it, and busy-waiting ones can then
    starve all others. Does nothing on systems other than Linux.
    """
    if not _THREADS.is_dir():
        yield
        return
    policy, how = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {thread.name for thread in _THREADS.iterdir()} - {str(get_native_id())}
    try:
        yield
    finally:
        for thread in _THREADS.iterdir():
            if thread.name not in before:
                with suppress(OSError):  # the thread has ended
                    os.sched_setscheduler(int(thread.name), policy, how)
