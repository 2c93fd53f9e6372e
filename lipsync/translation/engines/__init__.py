"""The registry of engines: which exist, which are installed, which to use.

An engine is named ``NAME`` or ``NAME:MODEL``, e.g. ``whisper:small`` or ``nllb:/folder``; ``auto``
selects the best that works offline here, else the best that can be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lipsync.errors import ConfigError, StageError
from lipsync.translation.engines.apertium import Apertium
from lipsync.translation.engines.base import Engine
from lipsync.translation.engines.espeak import Espeak
from lipsync.translation.engines.hibari import Hibari
from lipsync.translation.engines.mms import MMS
from lipsync.translation.engines.multiway import M2M100, NLLB
from lipsync.translation.engines.whisper import Whisper

AUTO = "auto"
ENGINES: tuple[type[Engine], ...] = (Whisper, NLLB, M2M100, Apertium, Hibari, MMS, Espeak)
"""In the order in which ``auto`` tries them, the best of each stage first."""


@dataclass(frozen=True)
class Choice:
    """A chosen engine, not loaded yet: its name, and a function that loads it once.

    An unavailable engine has no name, and loading it raises an error that says how to get it.
    """

    name: str | None
    load: Callable[[], Any]


def choose(stage: str, choice: Any, source: str | None, target: str, device: str) -> Choice:
    """Choose the engine of a stage.

    Args:
        stage: "recognise", "translate" or "speak".
        choice: an engine's name, with or without a model, or an engine object.
        source, target: ISO 639-1 codes, for ``auto``; ``source`` may be unknown (None).
        device: device of the networks.

    Raises:
        ConfigError: no engine of this stage has that name.
        StageError: it is not installed, or ``auto`` finds none.
    """
    if not isinstance(choice, str):
        return Choice(choice.name, lambda: choice)
    known = {engine.kind: engine for engine in ENGINES if engine.stage == stage}
    if choice == AUTO:
        engine, model = _automatic(stage, list(known.values()), source, target)
    else:
        name, _, model = choice.partition(":")
        if name not in known:
            raise ConfigError(f"unknown engine '{name}' to {stage}; use {', '.join(known)}")
        engine = known[name]
        model = model or engine.model
        if engine.missing():
            raise StageError(stage, f"{name} is not installed", engine.missing())
    name = f"{engine.kind}:{model}" if model else engine.kind
    return Choice(name, cache(lambda: engine(model, device)))


def _automatic(
    stage: str, engines: list[type[Engine]], source: str | None, target: str
) -> tuple[type[Engine], str]:
    """The first engine that works offline, else the first that can be downloaded; and its model."""
    for fetch in (False, True):
        for engine in engines:
            model = None if engine.missing() else engine.automatic(source, target, fetch)
            if model is not None:
                return engine, model
    task = {
        "recognise": f"recognise speech in '{source}'" if source else "recognise speech",
        "translate": f"translate from '{source}' to '{target}'",
        "speak": f"speak '{target}'",
    }
    raise StageError(
        stage,
        f"no engine here can {task[stage]}",
        ", or ".join(dict.fromkeys(engine.get for engine in engines)),
    )


def about_engines() -> dict[str, str]:
    """Engine -> one line on whether it is available, and how to get it."""
    return {f"to {engine.stage}: {engine.kind}": engine.state() for engine in ENGINES}
