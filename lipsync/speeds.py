"""How fast networks run on this machine in one form and another: measured once, and kept.

A file in the user's cache holds it, by processor, PyTorch and network, so that a machine
makes the same pictures from run to run; delete it to measure again. It needs no PyTorch to be read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

Milliseconds = dict[str, float]
"""Of a frame, by precision."""
_LEAST_GAIN = 1.1  # times as fast as the exact precision that a coarser one must be
log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """``$LIPSYNC_CACHE``, or ``lipsync`` in this system's folder for a user's caches."""
    if given := os.environ.get("LIPSYNC_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lipsync"


def quickest(
    network: str,
    config: Any,
    version: str,
    measure: Callable[[], Milliseconds],
    least_gain: float = _LEAST_GAIN,
) -> str:
    """The precision to run a network in on this machine.

    Args:
        network: its name, for people.
        config: what else tells it apart, plain values.
        version: of PyTorch and what else runs it.
        measure: called where nothing is known yet; the first precision is the exact one.
        least_gain: times as fast as that one another must be.
    """
    about = json.dumps([network, config, processor(), version], default=str)
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    if (row := measured().get(key)) is None:
        with _alone():
            known = measured()
            if key not in known:
                times = measure()
                exact = next(iter(times))
                best = min(times, key=times.__getitem__)
                chosen = best if least_gain * times[best] <= times[exact] else exact
                about_it = {"network": network, "processor": processor()}
                known[key] = about_it | {"times": times, "chosen": chosen}
                log.info("%s runs in %s here", network, chosen)
                _save(known)
            row = known[key]
    return row["chosen"]


def measured() -> dict[str, dict[str, Any]]:
    """What is known of this and other machines that share the cache, by a key each."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        found = json.loads(_path().read_text(encoding="utf-8"))
        return {key: row for key, row in found.items() if row["chosen"] in row["times"]}
    return {}


def about_speeds() -> str:
    """What was measured on this processor, in a line."""
    own = [row for row in measured().values() if row["processor"] == processor()]
    said = [
        f"{row['network']} in {row['chosen']} ("
        + ", ".join(f"{name} {time:.3g} ms a frame" for name, time in row["times"].items())
        + " of one core)"
        for row in own
    ]
    return (
        "; ".join(said)
        or "not measured yet; the first dub does so where there is bfloat16 or OpenVINO"
    )


def processor() -> str:
    """The name of this machine's processor."""
    with suppress(OSError, StopIteration):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            named = next(line for line in lines if line.startswith("model name"))
        return named.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _path() -> Path:
    return cache_folder() / "speeds.json"


@contextmanager
def _alone() -> Iterator[None]:
    """Processes of one batch measure in turn, so that the second one finds what the first found."""
    from filelock import FileLock  # late: it takes longer than all else here

    with ExitStack() as stack:
        with suppress(OSError):  # a cache that cannot be written
            _path().parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(_path().with_suffix(".lock")))
        yield


def _save(known: dict[str, dict[str, Any]]) -> None:
    path = _path()
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:  # it is measured again the next time
        log.info("%s cannot be written (%s)", path, error.strerror)
