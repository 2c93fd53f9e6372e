"""Word error rate, and the sentences of GRID."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_GRID = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    None,  # any letter
    dict(zip("z123456789", _DIGITS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)  # fmt: skip


def grid_sentence(name: str) -> str:
    """The sentence of a clip's name: ``bbaf2n`` is "bin blue at f two now"."""
    return " ".join(
        letter if table is None else table[letter]
        for letter, table in zip(name, _GRID, strict=True)
    )


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation; digits become words, and "F2" two words."""
    text = re.sub(r"(\d)", lambda found: f" {_DIGITS[int(found[0])]} ", text.lower())
    return re.sub(r"[^\w\s']", " ", text).replace("'", "").split()


def errors(reference: str, heard: str) -> tuple[int, int]:
    """Number of wrong, missing and extra words, and number of words in the reference."""
    a, b = words(reference), words(heard)
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1], len(a)


def rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Word error rate over all (reference, heard) pairs together."""
    counts = [errors(*pair) for pair in pairs]
    return sum(wrong for wrong, _ in counts) / max(1, sum(of for _, of in counts))
