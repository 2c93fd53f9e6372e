"""hibari: a neural English voice with its weights in the wheel."""

from __future__ import annotations

import numpy as np

from lipsync.errors import StageError, install_extra
from lipsync.translation.engines.base import Engine
from lipsync.translation.engines.hub import loading


class Hibari(Engine):
    """English speech at 24 kHz; ``model`` is a voice (all but ``heart`` are downloaded)."""

    stage, kind, package, module, model = "speak", "hibari", "hibari-tts", "hibari", "heart"
    get = install_extra("translate")
    about = "English, neural, offline; Apache-2.0"

    def __init__(self, model: str = model, device: str = "cpu") -> None:
        from hibari import Hibari as Synthesiser

        self.name = f"hibari:{model}"
        with loading("speak", f"voice {model} of hibari", "use the voice heart"):
            self._speak = Synthesiser(voice=model)

    @classmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        return cls.model if target == "en" else None

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        """One line; see :class:`~lipsync.translation.engines.base.Speaker`."""
        if language != "en":
            raise StageError(
                "speak",
                f"hibari speaks English, not '{language}'",
                "use --tts espeak or --tts mms",
            )
        return self._speak(text, seed=0), self._speak.sample_rate
