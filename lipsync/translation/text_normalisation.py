"""Numbers and abbreviations written out as words, for speech engines that read only letters."""

from __future__ import annotations

import re

from lipsync.errors import StageError, install_extra

_NUMBER = re.compile(
    r"(?<![\w.,])-?\d[\d.,]*(?<=\d)(?:(?<=1)st|(?<=2)nd|(?<=3)rd|th|[ \u00a0\u202f]?%)?(?!\w)"
)
_NARROW = re.compile(r"(?<=\d)[\u00a0\u202f](?=\d{3}(?!\d))")  # thousands separators
_COMMA = {
    "cs", "da", "de", "el", "es", "fi", "fr", "hr", "hu", "id", "is", "it", "nl", "no", "pl", "pt",
    "ro", "ru", "sk", "sl", "sr", "sv", "tr", "uk", "vi",
}  # fmt: skip
"""Languages with a decimal comma."""
_PERCENT = {
    "en": "percent", "es": "por ciento", "fr": "pour cent", "de": "Prozent", "it": "per cento",
    "pt": "por cento", "nl": "procent", "sv": "procent", "pl": "procent",
}  # fmt: skip
_WORDS = {
    "en": {
        "Mr.": "Mister", "Mrs.": "Missis", "Ms.": "Miz", "Dr.": "Doctor", "Prof.": "Professor",
        "vs.": "versus", "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is", "&": "and",
    },
    "es": {
        "Sr.": "señor", "Sra.": "señora", "Dr.": "doctor", "Dra.": "doctora", "Ud.": "usted",
        "Uds.": "ustedes", "EE. UU.": "Estados Unidos", "p. ej.": "por ejemplo",
        "etc.": "etcétera", "&": "y",
    },
    "fr": {
        "M.": "monsieur", "Mme": "madame", "Mlle": "mademoiselle", "Dr": "docteur",
        "etc.": "et cetera", "&": "et",
    },
    "de": {
        "Dr.": "Doktor", "Hr.": "Herr", "Fr.": "Frau", "z. B.": "zum Beispiel",
        "z.B.": "zum Beispiel", "d. h.": "das heißt", "usw.": "und so weiter",
        "bzw.": "beziehungsweise", "Nr.": "Nummer", "&": "und",
    },
}  # fmt: skip


def normalise_text(text: str, language: str) -> str:
    """A line as it is read aloud.

    Args:
        text: a line.
        language: its ISO 639-1 code.

    Raises:
        StageError: it contains a number that cannot be spelt out in that language.
    """
    for short, whole in _WORDS.get(language, {}).items():
        text = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", whole, text)
    return _NUMBER.sub(lambda found: _number_in_words(found[0], language), _NARROW.sub("", text))


def _number_in_words(number: str, language: str) -> str:
    try:
        from num2words import num2words
    except ImportError:
        raise _unreadable_number(
            number, f"{install_extra('translate')}, or write it in words"
        ) from None
    digits = number.rstrip("%stndrh \u00a0\u202f")
    thousands, decimal = (".", ",") if language in _COMMA else (",", ".")
    groups = rf"-?\d{{1,3}}(?:[{thousands}]\d{{2,3}})*[{thousands}]\d{{3}}(?:[{decimal}]\d+)?"
    if re.fullmatch(groups, digits):
        digits = digits.replace(thousands, "")
    digits = digits.replace(",", ".")  # a remaining comma is a decimal comma; several are a date
    kind = "ordinal" if number[-1].isalpha() else "cardinal"
    try:
        value = float(digits) if "." in digits else int(digits)
        words = num2words(value, lang=language, to=kind)
        tail = _PERCENT[language] if "%" in number else ""
    except (NotImplementedError, ValueError, KeyError, TypeError, OverflowError):
        raise _unreadable_number(number, f"write it in words of '{language}'") from None
    return f"{words} {tail}".strip()


def _unreadable_number(number: str, remedy: str) -> StageError:
    return StageError("speak", f"the voice does not read '{number}'", remedy)
