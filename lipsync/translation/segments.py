"""Speech as lines: what is said, from when to when. Pure."""

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
    """One word as it was heard: seconds from the start of the video, its spelling."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Segment:
    """One line of speech: ``start`` and ``end`` in seconds, its text, its words where known."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the line lasts."""
        return self.end - self.start


@dataclass(frozen=True)
class Transcript:
    """What a recogniser heard.

    ``language`` is an ISO 639-1 code. ``doubt`` says, in words, why the recogniser does not trust
    what it heard, and is empty where it does.
    """

    language: str
    segments: tuple[Segment, ...]
    doubt: str = ""


def lines(words: Iterable[Word]) -> list[Segment]:
    """Words to lines, one a sentence: what is translated whole, and spoken in one breath.

    A line ends with a sentence, before a pause, or, where it grows too long, at a comma.
    Recognisers cut where their window ends instead, in the middle of sentences.
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
    """Whether a sentence ends with a word: not with "D.C." nor "Mr.", nor before a small letter."""
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
