"""What to say in place of a line that is too long for its time."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from lipsync.errors import StageError
from lipsync.translation.fit import Placed
from lipsync.translation.glossary import Glossary, missing
from lipsync.translation.job import TranslationJob
from lipsync.translation.segments import Transcript

_MOST = 3  # that are offered for a line
_LEAST_LETTERS = 0.4  # of a line; what is shorter says something else


def offer(
    job: TranslationJob, transcript: Transcript, texts: Sequence[str], placed: Sequence[Placed]
) -> dict[int, list[str]]:
    """Other translations of the lines that do not fit, by the numbers of those, from 0.

    They are the translator's own, where it has several, that would fit by their letters and keep
    the terms of the glossary, best first; subtitles that were given are offered none.
    """
    found: dict[int, list[str]] = {}
    for number, place in enumerate(placed):
        if place.over and transcript.segments[number].text:
            try:
                others = _others(job, transcript.language, transcript.segments[number].text)
            except StageError:  # no engine here: all was translated elsewhere
                return found
            most = len(texts[number]) - letters_over(texts[number], place)
            least = _LEAST_LETTERS * len(texts[number])
            found[number] = [text for text in others if least <= len(text) <= most][:_MOST]
    return found


def letters_over(text: str, place: Placed) -> int:
    """How many letters of a line there are too many, at the speed at which it is spoken."""
    return ceil(len(text) * place.over / (place.end - place.start) - 1e-6)


def _others(job: TranslationJob, source: str, text: str) -> list[str]:
    if job.options.subtitles is not None:
        return []
    engine = job.engine("translate", job.options.translator, source).load()
    n_best = getattr(engine, "n_best", None)
    others = [] if n_best is None else n_best(text, source, job.options.to)
    if job.options.glossary is not None:
        terms = Glossary.read(job.options.glossary).used(text)
        others = [other for other in others if not missing(other, terms)]
    return others
