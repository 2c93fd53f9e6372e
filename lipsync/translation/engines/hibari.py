"""hibari: a neural English voice whose weights come in its wheel."""

from __future__ import annotations

import numpy as np

from lipsync.errors import StageError


class Hibari:
    """English speech at 24 kHz; ``voice`` is one of hibari's (all but ``heart`` are fetched)."""

    def __init__(self, voice: str = "heart") -> None:
        from hibari import Hibari as Synthesiser

        self.name = f"hibari:{voice}"
        try:
            self._speak = Synthesiser(voice=voice)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise StageError(
                "speak", f"voice {voice} of hibari cannot be loaded ({reason})", "use heart"
            ) from None

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        """One line; see :class:`~lipsync.translation.engines.base.Speaker`."""
        if language != "en":
            raise StageError(
                "speak",
                f"hibari speaks English, not '{language}'",
                "use --speaker espeak or --speaker mms",
            )
        return self._speak(text, seed=0), self._speak.sample_rate
