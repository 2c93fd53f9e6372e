"""Apertium (Forcada et al. 2011): translation by rules, offline. GPL, run as a separate program."""

from __future__ import annotations

import re
import shutil
import subprocess

from lipsync.errors import StageError
from lipsync.translation.languages import language

_UNKNOWN = re.compile(r"[*@#](?=\w)")  # marks on words that a stage of Apertium did not know


def installed() -> bool:
    """Whether the program is here."""
    return shutil.which("apertium") is not None


def pairs() -> set[str]:
    """The installed pairs, by Apertium's names, e.g. ``eng-spa``."""
    if not installed():
        return set()
    return set(_run(["-l"]).split())


def pair(source: str, target: str) -> str | None:
    """Apertium's name of a pair of languages, where it is installed."""
    a, b = language(source), language(target)
    have = pairs()
    names = (f"{a.iso3}-{b.iso3}", f"{a.code}-{b.code}")
    return next((name for name in names if name in have), None)


class Apertium:
    """Translation by an installed pair."""

    def __init__(self) -> None:
        self.name = "apertium"

    def translate(self, text: str, source: str, target: str) -> str:
        """One line; see :class:`~lipsync.translation.engines.base.Translator`."""
        name = pair(source, target)
        if name is None:
            raise StageError(
                "translate",
                f"Apertium has no installed pair from '{source}' to '{target}'",
                "install one (Debian: apt install apertium-XXX-YYY), or use --translator nllb",
            )
        return " ".join(_UNKNOWN.sub("", _run(["-u", name], text)).split())


def _run(arguments: list[str], text: str = "") -> str:
    program = shutil.which("apertium") or "apertium"
    try:
        done = subprocess.run(
            [program, *arguments], input=text, text=True, capture_output=True, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StageError("translate", f"apertium failed ({error})", "reinstall it") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise StageError("translate", f"apertium failed ({reason})", "reinstall it")
    return done.stdout
