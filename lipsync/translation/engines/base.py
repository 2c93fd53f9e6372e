"""What an engine of each stage has to do; anything with these methods can be one.

``name`` tells engine and model apart in the work folder: what was made by another name is made
again. Waves are mono float32 (n,) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from lipsync.translation.segments import Transcript

Share = Callable[[float], None]
"""Called with the part that is done, 0 to 1."""


class Recogniser(Protocol):
    """Speech to text."""

    name: str

    def recognise(self, wave: np.ndarray, language: str | None, share: Share) -> Transcript:
        """Hear a wave at 16 kHz; ``language`` is its ISO 639-1 code, None to detect it.

        A transcript without segments means that there is no speech.
        """


class Translator(Protocol):
    """Text to text."""

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
