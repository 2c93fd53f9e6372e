"""Text to speech for the Dub tab, by the installed translation engines."""

from __future__ import annotations

from pathlib import Path

from lipsync.demo.messages import Refusal
from lipsync.languages import LANGUAGES
from lipsync.media import write_audio
from lipsync.translation.engines import AUTO, ENGINES, choose

MOST_LETTERS = 500


def spoken_languages() -> dict[str, str]:
    """Code -> name of the languages that installed engines speak; empty if there are none."""
    engines = [engine for engine in ENGINES if engine.stage == "speak" and not engine.missing()]
    return {
        code: language.name
        for code, language in sorted(LANGUAGES.items(), key=lambda item: item[1].name)
        if any(engine.automatic(None, code, True) is not None for engine in engines)
    }


def check_text(text: object, language: object) -> tuple[str, str]:
    """Validate a text and its language code.

    Raises:
        Refusal: no text, too much text, or an unavailable language.
    """
    if not isinstance(text, str) or not text.strip():
        raise Refusal("The text is empty; write a sentence.")
    if len(text) > MOST_LETTERS:
        raise Refusal(f"The text has {len(text)} characters; the limit is {MOST_LETTERS}.")
    if not isinstance(language, str) or language not in LANGUAGES:
        raise Refusal("The language is unknown; choose one from the list.")
    return text.strip(), language


def speak_to_file(text: str, language: str, path: Path, device: str) -> None:
    """Speak a text into a WAV file.

    Raises:
        StageError: no installed engine speaks the language, or the engine fails.
    """
    engine = choose("speak", AUTO, None, language, device).load()
    wave, rate = engine.speak(text, language)
    write_audio(path, wave, rate)
