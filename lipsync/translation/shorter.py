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
    if job.options.subtitles is not None:
        return found
    source, target = transcript.language, job.options.to
    try:
        engine = job.engine("translate", job.options.translator, source).load()
    except StageError:  # no engine here: all was translated elsewhere
        return found
    n_best = getattr(engine, "n_best", None)
    if n_best is None:
        return found
    glossary = Glossary.read(job.options.glossary) if job.options.glossary is not None else None
    for number, place in enumerate(placed):
        said = transcript.segments[number].text
        if place.over and said:
            terms = glossary.used(said) if glossary is not None else {}
            most = len(texts[number]) - letters_over(texts[number], place)
            least = _LEAST_LETTERS * len(texts[number])
            found[number] = [
                text
                for text in n_best(said, source, target)
                if least <= len(text) <= most and not missing(text, terms)
            ][:_MOST]
    return found


def letters_over(text: str, place: Placed) -> int:
    """How many letters of a line there are too many, at the speed at which it is spoken."""
    return ceil(len(text) * place.over / (place.end - place.start) - 1e-6)
