"""Speech as lines with times. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

SENTENCE_ENDS = ".?!…。？！।۔"  # noqa: RUF001 - with Hindi's danda and Urdu's full stop
CLAUSE_ENDS = ",;:،、—"
_ABBREVIATION = re.compile(r"(\w\.)+|(mrs?|ms|dr|st|prof|vs|jr|sr|gen|sen)\.", re.IGNORECASE)
PAUSE = 0.8  # seconds of silence that end a line
LONGEST = 12.0  # seconds; a longer line is cut at its last comma


@dataclass(frozen=True)
class Word:
    """A recognised word: start and end in seconds from the start of the video, and its text."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Segment:
    """One line of speech: ``start`` and ``end`` in seconds, its text, and its words if known."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()

    @property
    def seconds(self) -> float:
        """Duration of the line."""
        return self.end - self.start


@dataclass(frozen=True)
class Transcript:
    """The output of a recogniser.

    ``language`` is an ISO 639-1 code. ``doubt`` says why the transcript may be wrong; empty if
    there is no reason for doubt.
    """

    language: str
    segments: tuple[Segment, ...]
    doubt: str = ""


def lines(words: Iterable[Word]) -> list[Segment]:
    """Group words into lines, the units that are translated and spoken.

    A line ends with a sentence, before a pause, or, if it grows too long, at a comma. The
    recogniser's own segments are not used: they end with its window, in mid-sentence.
    """
    return [_line(group) for group in _groups(words)]


def _groups(words: Iterable[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        paused = group and word.start - group[-1].end > PAUSE
        ended = group and _ends_sentence(group[-1], word)
        if paused or ended:
            yield group
            group = []
        group.append(word)
        if group[-1].end - group[0].start > LONGEST:
            cut = _last_clause(group)
            yield group[:cut]
            group = group[cut:]
    if group:
        yield group


def _ends_sentence(word: Word, following: Word) -> bool:
    """Whether a sentence ends at a word: not at "D.C." or "Mr.", nor before a lower-case word."""
    if not _ends(word, SENTENCE_ENDS) or following.text.strip()[:1].islower():
        return False
    return not _ABBREVIATION.fullmatch(word.text.strip())


def _ends(word: Word, marks: str) -> bool:
    return word.text.rstrip("\"'”’)» ").endswith(tuple(marks))  # noqa: RUF001


def _last_clause(group: Sequence[Word]) -> int:
    """Where to cut: after the last comma, not counting the newest word; else before that word."""
    for count in range(len(group) - 1, 0, -1):
        if _ends(group[count - 1], CLAUSE_ENDS):
            return count
    return max(1, len(group) - 1)


def _line(group: Sequence[Word]) -> Segment:
    text = " ".join("".join(word.text for word in group).split())
    words = tuple(replace(word, text=word.text.strip()) for word in group)
    return Segment(group[0].start, group[-1].end, text, words)
