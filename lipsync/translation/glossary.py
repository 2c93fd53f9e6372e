"""A glossary of terms with fixed translations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lipsync.errors import MediaError
from lipsync.tables import read_rows

_HEAD = ["source", "target"]
_SPACED = "\u0e00"  # scripts before Thai separate words with spaces


class Glossary:
    """Terms with fixed translations.

    Args:
        terms: term -> translation; not case-sensitive.
    """

    def __init__(self, terms: dict[str, str]) -> None:
        self.terms = terms
        longest = sorted(terms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_whole_word, longest)) or "(?!)", re.IGNORECASE)
        self._by_letters = {term.casefold(): term for term in terms}

    @classmethod
    def read(cls, path: str | Path) -> Glossary:
        """Read a glossary from a CSV file with the columns source and target.

        Raises:
            MediaError: it cannot be read, or a row lacks a term or its translation.
        """
        terms: dict[str, str] = {}
        for line, cells in read_rows(path):
            if [cell.lower() for cell in cells] == _HEAD:
                continue
            if len(cells) != 2 or not all(cells):
                problem = f"line {line}: does not hold a term and its translation"
                raise MediaError(path, problem, "write lines of: source,target")
            if terms.setdefault(cells[0], cells[1]) != cells[1]:
                problem = f"line {line}: '{cells[0]}' has another translation above"
                raise MediaError(path, problem, "keep one of them")
        return cls(terms)

    def terms_in(self, text: str) -> dict[str, str]:
        """The terms that occur in a text, with their translations."""
        found = {self._term(match): None for match in self._pattern.finditer(text)}
        return {term: self.terms[term] for term in found}

    def translate(self, text: str, translate: Callable[[str], str]) -> str:
        """Translate a text using its terms, as far as the engine allows.

        If the engine does not produce a term's translation itself, the terms are replaced by
        placeholders; if it alters those, its own words stay, and :func:`report` names the line.
        """
        plain = translate(text)
        if not missing_terms(plain, self.terms_in(text)):
            return plain
        targets: list[str] = []

        def code(match: re.Match[str]) -> str:
            targets.append(self.terms[self._term(match)])
            return f"Zq{len(targets)}"

        masked = translate(self._pattern.sub(code, text))
        for number in range(len(targets), 0, -1):
            masked, count = re.subn(
                rf"\bZq ?{number}\b",
                lambda _, k=number: targets[k - 1],
                masked,
                flags=re.IGNORECASE,
            )
            if count != 1:
                return plain
        return masked

    def report(self, sources: Sequence[str], texts: Sequence[str]) -> list[str]:
        """The number of terms in the lines, and those missing from the translations."""
        used = [self.terms_in(source) for source in sources]
        lines = sum(map(bool, used))
        if not lines:
            return ["glossary: no line contains a term"]
        notes = [f"glossary: {sum(map(len, used))} terms in {lines} of {len(sources)} lines"]
        for number, (text, terms) in enumerate(zip(texts, used, strict=True), start=1):
            for term, target in missing_terms(text, terms).items() if text else ():
                notes.append(
                    f"glossary: line {number} has '{term}' without '{target}': {text[:60]}"
                )
        return notes

    def _term(self, match: re.Match[str]) -> str:
        return self._by_letters[match.group().casefold()]


def missing_terms(text: str, terms: dict[str, str]) -> dict[str, str]:
    """The terms whose translation does not occur in a text."""
    text = text.casefold()
    return {term: target for term, target in terms.items() if target.casefold() not in text}


def _whole_word(term: str) -> str:
    before, after = (r"\b" if c < _SPACED and c.isalnum() else "" for c in (term[0], term[-1]))
    return f"{before}{re.escape(term)}{after}"
