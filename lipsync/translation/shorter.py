"""Shorter alternatives to a line that does not fit its time."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from lipsync.errors import StageError
from lipsync.translation.fit import PlacedLine
from lipsync.translation.glossary import Glossary, missing_terms
from lipsync.translation.job import TranslationJob
from lipsync.translation.segments import Transcript

_MOST = 3  # alternatives per line
_LEAST_LETTERS = 0.4  # share of the line's length; shorter ones lose the meaning


def suggest_shorter(
    job: TranslationJob, transcript: Transcript, texts: Sequence[str], placed: Sequence[PlacedLine]
) -> dict[int, list[str]]:
    """Alternative translations for the lines that do not fit, by line number from 0.

    They come from the translator, if it has ``n_best``: those that would fit by their number of
    letters and keep the glossary's terms, best first. There are none for given subtitles.
    """
    found: dict[int, list[str]] = {}
    if job.options.subtitles is not None:
        return found
    source, target = transcript.language, job.options.to
    try:
        engine = job.engine("translate", job.options.translator, source).load()
    except StageError:  # the engine is not available: the lines were translated elsewhere
        return found
    n_best = getattr(engine, "n_best", None)
    if n_best is None:
        return found
    glossary = Glossary.read(job.options.glossary) if job.options.glossary is not None else None
    for number, place in enumerate(placed):
        source_text = transcript.segments[number].text
        if place.over and source_text:
            terms = glossary.terms_in(source_text) if glossary is not None else {}
            most = len(texts[number]) - letters_over(texts[number], place)
            least = _LEAST_LETTERS * len(texts[number])
            found[number] = [
                text
                for text in n_best(source_text, source, target)
                if least <= len(text) <= most and not missing_terms(text, terms)
            ][:_MOST]
    return found


def letters_over(text: str, place: PlacedLine) -> int:
    """By how many letters a line is too long, at its speed."""
    return ceil(len(text) * place.over / (place.end - place.start) - 1e-6)
