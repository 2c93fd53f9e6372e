"""What an engine of each stage has to do; anything with these methods can be one.

``name`` tells engine and model apart in the work folder: what was made by another name is made
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
"""Called with the part that is done, 0 to 1."""


class Engine(ABC):
    """An engine that can be asked for by name. Its modules are imported when it is made.

    Attributes:
        stage: "recognise", "translate" or "speak".
        kind: how it is asked for.
        package, module: the distribution that it needs, and what is imported; "" for a program.
        get: how it is installed.
        about: languages and licence.
        model: the model that it takes where none is named.
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
        """How to install it; "" where it is installed."""
        return "" if find_spec(cls.module) else cls.get

    @classmethod
    @abstractmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        """The model for these languages, where ``auto`` may take it; None where it may not.

        Args:
            source, target: ISO 639-1 codes; ``source`` may be unknown (None).
            fetch: whether weights may come from the network.
        """

    @classmethod
    def weights(cls) -> str:
        """Which of its weights are here."""
        return "ready"

    @classmethod
    def state(cls) -> str:
        """One line: whether it is here, and how to get it."""
        if cls.missing():
            return f"not installed: {cls.missing()} ({cls.about})"
        have = cls.package or "program found"
        with suppress(PackageNotFoundError, ValueError):
            have = f"{cls.package} {version(cls.package)}"
        return f"{have}; {cls.weights()} ({cls.about})"


class Recogniser(Protocol):
    """Speech to text."""

    name: str

    def recognise(self, wave: np.ndarray, language: str | None, share: Share) -> Transcript:
        """Hear a wave at 16 kHz; ``language`` is its ISO 639-1 code, None to detect it.

        A transcript without segments means that there is no speech.
        """


class Translator(Protocol):
    """Text to text.

    One that knows several translations of a line may have a method ``n_best``, called as
    ``translate``, that lists them, best first: shorter ones are offered where a line is too long
    for its time.
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
    """Speech to the same words in another voice."""

    name: str

    def convert(self, wave: np.ndarray, rate: int, reference: np.ndarray) -> np.ndarray:
        """A wave that lasts as long, in the voice of ``reference``; all at ``rate``."""
