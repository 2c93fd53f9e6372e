"""Apertium (Forcada et al. 2011): rule-based translation, offline. GPL, so a separate program."""

from __future__ import annotations

import re
import shutil
import subprocess

from lipsync.errors import StageError
from lipsync.languages import language
from lipsync.translation.engines.base import Engine

_UNKNOWN = re.compile(r"[*@#](?=\w)")  # Apertium's marks of unknown words


def pairs() -> set[str]:
    """The installed language pairs, by Apertium's names, e.g. ``eng-spa``."""
    return set(_run(["-l"]).split()) if shutil.which("apertium") else set()


def pair(source: str, target: str) -> str | None:
    """Apertium's name of a language pair; None if it is not installed."""
    a, b = language(source), language(target)
    have = pairs()
    names = (f"{a.iso3}-{b.iso3}", f"{a.code}-{b.code}")
    return next((name for name in names if name in have), None)


class Apertium(Engine):
    """Translation with an installed language pair."""

    stage, kind = "translate", "apertium"
    get = "apt install apertium-eng-spa, or other pairs"
    about = "by rules, offline; GPL, a separate program"

    def __init__(self, model: str = "", device: str = "cpu") -> None:
        self.name = "apertium"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("apertium") else cls.get

    @classmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        return "" if source and pair(source, target) else None

    @classmethod
    def weights(cls) -> str:
        return f"pairs: {' '.join(sorted(pairs())) or 'none, ' + cls.get}"

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
