"""The interfaces of the engines; any object with these methods will do.

``name`` identifies engine and model in the work folder: results made under another name are made
again. Waves are mono float32 (n,) in [-1, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import ClassVar, Protocol

import numpy as np

from lipsync.translation.segments import Transcript

Share = Callable[[float], None]
"""Called with the fraction done, 0 to 1."""


class Engine(ABC):
    """An engine that can be chosen by name. Its modules are imported when it is constructed.

    Attributes:
        stage: "recognise", "translate" or "speak".
        kind: its name in options.
        package, module: the distribution that it needs and the module to import; "" for a program.
        get: how to install it.
        about: languages and licence.
        model: the default model.
    """

    stage: ClassVar[str]
    kind: ClassVar[str]
    package: ClassVar[str] = ""
    module: ClassVar[str] = ""
    get: ClassVar[str]
    about: ClassVar[str]
    model: ClassVar[str] = ""
    name: str

    @abstractmethod
    def __init__(self, model: str, device: str) -> None: ...

    @classmethod
    def missing(cls) -> str:
        """How to install it; "" if it is installed."""
        return "" if find_spec(cls.module) else cls.get

    @classmethod
    @abstractmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        """The model that ``auto`` uses for these languages; None if it must not use this engine.

        Args:
            source, target: ISO 639-1 codes; ``source`` may be unknown (None).
            fetch: whether weights may be downloaded.
        """

    @classmethod
    def weights(cls) -> str:
        """Which of its weights are available locally."""
        return "ready"

    @classmethod
    def state(cls) -> str:
        """One line on whether it is available, and how to get it."""
        if cls.missing():
            return f"not installed: {cls.missing()} ({cls.about})"
        installed = cls.package or "program found"
        with suppress(PackageNotFoundError, ValueError):
            installed = f"{cls.package} {version(cls.package)}"
        return f"{installed}; {cls.weights()} ({cls.about})"


class Recogniser(Protocol):
    """Speech to text."""

    name: str

    def recognise(self, wave: np.ndarray, language: str | None, share: Share) -> Transcript:
        """Transcribe a wave at 16 kHz; ``language`` is its ISO 639-1 code, None to detect it.

        A transcript without segments means that there is no speech.
        """


class Translator(Protocol):
    """Text to text.

    It may also have a method ``n_best``, with the signature of ``translate``, that returns several
    translations of a line, best first: shorter ones are suggested where a line does not fit its
    time.
    """

    name: str

    def translate(self, text: str, source: str, target: str) -> str:
        """Translate one line between two languages, given by their ISO 639-1 codes."""


class Speaker(Protocol):
    """Text to speech."""

    name: str

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        """A wave and its sample rate."""


class Voice(Protocol):
    """Voice conversion."""

    name: str

    def convert(self, wave: np.ndarray, rate: int, reference: np.ndarray) -> np.ndarray:
        """A wave of the same length in the voice of ``reference``; all at ``rate``."""
