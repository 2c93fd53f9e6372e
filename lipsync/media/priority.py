"""The scheduling of this process, kept from encoders that change it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id

_THREADS = Path("/proc/self/task")


@contextmanager
def usual_priority() -> Iterator[None]:
    """What is opened within gives no thread another scheduling than this one had before.

    For root, SVT-AV1 runs its threads, and the one that opens it, in real time at the highest
    priority. All that this starts later inherits it, and threads that wait actively can then keep
    others from running for ever. Nothing happens on systems other than Linux.
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
                with suppress(OSError):  # it has ended
                    os.sched_setscheduler(int(thread.name), policy, how)
