"""Speed of networks on this machine by precision: measured once, then cached.

The cache is a file in the user's cache folder, keyed by CPU, PyTorch version and network, so that
the choice of precision, and with it the output, is the same from run to run. Delete the file to
measure again. Reading it does not import PyTorch.
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
"""Milliseconds per frame, by precision."""
_LEAST_GAIN = 1.1  # minimum speed-up over the exact precision
log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """``$LIPSYNC_CACHE``, or ``lipsync`` in the user's cache folder on this system."""
    if given := os.environ.get("LIPSYNC_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lipsync"


def choose_precision(
    network: str,
    config: Any,
    version: str,
    measure: Callable[[], Milliseconds],
    least_gain: float = _LEAST_GAIN,
) -> str:
    """Choose the precision in which to run a network on this machine.

    Args:
        network: display name; part of the key.
        config: plain values, also part of the key.
        version: version of PyTorch or another runtime.
        measure: called if there is no measurement yet; the first precision it returns is the exact
            one.
        least_gain: minimum speed-up over the exact precision.
    """
    about = json.dumps([network, config, processor(), version], default=str)
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    if (row := read_measurements().get(key)) is None:
        with _lock_cache():
            known = read_measurements()
            if key not in known:
                times = measure()
                exact = next(iter(times))
                best = min(times, key=times.__getitem__)
                chosen = best if least_gain * times[best] <= times[exact] else exact
                entry = {"network": network, "processor": processor()}
                known[key] = entry | {"times": times, "chosen": chosen}
                log.info("%s runs in %s here", network, chosen)
                _save(known)
            row = known[key]
    return row["chosen"]


def read_measurements() -> dict[str, dict[str, Any]]:
    """Cached measurements by key, of all machines that share the cache."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        found = json.loads(_path().read_text(encoding="utf-8"))
        return {key: row for key, row in found.items() if row["chosen"] in row["times"]}
    return {}


def about_speeds() -> str:
    """Measurements on this CPU, in one line."""
    own = [row for row in read_measurements().values() if row["processor"] == processor()]
    descriptions = [
        f"{row['network']} in {row['chosen']} ("
        + ", ".join(f"{name} {time:.3g} ms a frame" for name, time in row["times"].items())
        + " of one core)"
        for row in own
    ]
    return (
        "; ".join(descriptions)
        or "not measured yet; the first dub does so where there is bfloat16 or OpenVINO"
    )


def processor() -> str:
    """Name of this machine's CPU."""
    with suppress(OSError, StopIteration):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            named = next(line for line in lines if line.startswith("model name"))
        return named.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _path() -> Path:
    return cache_folder() / "speeds.json"


@contextmanager
def _lock_cache() -> Iterator[None]:
    """Lock the cache, so that concurrent processes measure only once."""
    from filelock import FileLock  # slow to import

    with ExitStack() as stack:
        with suppress(OSError):  # the cache is not writable
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
    except OSError as error:  # it is measured again next time
        log.info("%s cannot be written (%s)", path, error.strerror)
