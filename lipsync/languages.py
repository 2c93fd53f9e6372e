"""Languages by ISO 639-1 code, and their codes in each engine."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync.errors import ConfigError


@dataclass(frozen=True)
class Language:
    """``code`` is ISO 639-1, ``iso3`` ISO 639-3, ``flores`` the NLLB-200 code."""

    code: str
    name: str
    iso3: str
    flores: str


_TABLE = """
af Afrikaans afr Latn|am Amharic amh Ethi|ar Arabic arb Arab|as Assamese asm Beng
be Belarusian bel Cyrl|bg Bulgarian bul Cyrl|bn Bengali ben Beng|ca Catalan cat Latn
cs Czech ces Latn|cy Welsh cym Latn|da Danish dan Latn|de German deu Latn|el Greek ell Grek
en English eng Latn|es Spanish spa Latn|et Estonian est Latn|eu Basque eus Latn
fa Persian pes Arab|fi Finnish fin Latn|fr French fra Latn|ga Irish gle Latn
gl Galician glg Latn|gu Gujarati guj Gujr|ha Hausa hau Latn|he Hebrew heb Hebr
hi Hindi hin Deva|hr Croatian hrv Latn|hu Hungarian hun Latn|hy Armenian hye Armn
id Indonesian ind Latn|is Icelandic isl Latn|it Italian ita Latn|ja Japanese jpn Jpan
ka Georgian kat Geor|kk Kazakh kaz Cyrl|km Khmer khm Khmr|kn Kannada kan Knda
ko Korean kor Hang|lt Lithuanian lit Latn|lv Latvian lvs Latn|mk Macedonian mkd Cyrl
ml Malayalam mal Mlym|mn Mongolian khk Cyrl|mr Marathi mar Deva|ms Malay zsm Latn
my Burmese mya Mymr|ne Nepali npi Deva|nl Dutch nld Latn|no Norwegian nob Latn
pa Punjabi pan Guru|pl Polish pol Latn|ps Pashto pbt Arab|pt Portuguese por Latn
ro Romanian ron Latn|ru Russian rus Cyrl|si Sinhala sin Sinh|sk Slovak slk Latn
sl Slovenian slv Latn|so Somali som Latn|sq Albanian als Latn|sr Serbian srp Cyrl
sv Swedish swe Latn|sw Swahili swh Latn|ta Tamil tam Taml|te Telugu tel Telu|th Thai tha Thai
tl Tagalog tgl Latn|tr Turkish tur Latn|uk Ukrainian ukr Cyrl|ur Urdu urd Arab
uz Uzbek uzn Latn|vi Vietnamese vie Latn|yo Yoruba yor Latn|zh Chinese zho Hans|zu Zulu zul Latn
"""


def _read_table() -> dict[str, Language]:
    rows = (row.split() for row in _TABLE.replace("\n", "|").split("|") if row)
    return {
        code: Language(code, name, iso3, f"{iso3}_{script}") for code, name, iso3, script in rows
    }


LANGUAGES = _read_table()
# Containers use ISO 639-2: terminological codes that differ from ISO 639-3, and bibliographic ones.
_TERMS = {
    "ar": "ara", "fa": "fas", "lv": "lav", "mn": "mon", "ms": "msa", "ne": "nep", "no": "nor",
    "ps": "pus", "sq": "sqi", "sw": "swa", "uz": "uzb",
}  # fmt: skip
_BOOKS = {
    "cs": "cze", "cy": "wel", "de": "ger", "el": "gre", "eu": "baq", "fa": "per", "fr": "fre",
    "hy": "arm", "is": "ice", "ka": "geo", "mk": "mac", "ms": "may", "my": "bur", "nl": "dut",
    "ro": "rum", "sk": "slo", "sq": "alb", "zh": "chi",
}  # fmt: skip


def language(code: str) -> Language:
    """Look up a language by its ISO 639-1 or NLLB-200 code (``hin_Deva``).

    Languages without a two-letter code can be given by any well-formed NLLB-200 code.

    Raises:
        ConfigError: it is neither.
    """
    if code in LANGUAGES:
        return LANGUAGES[code]
    for known in LANGUAGES.values():
        if code == known.flores:
            return known
    iso3, _, script = code.partition("_")
    if len(iso3) == 3 and len(script) == 4 and iso3.islower() and script.istitle():
        return Language(code, code, iso3, code)
    raise ConfigError(
        f"unknown language '{code}'; use a two-letter code ({' '.join(LANGUAGES)}) or an "
        "NLLB-200 code such as hin_Deva"
    )


def track_code(code: str) -> str:
    """ISO 639-2 code of a language for container tracks; "und" if there is none."""
    name = code.strip().lower().replace("_", "-").partition("-")[0]  # of "pt-BR", "hin_Deva"
    for known in LANGUAGES.values():
        term = _TERMS.get(known.code, known.iso3)
        if name in (known.code, known.iso3, term, _BOOKS.get(known.code), known.name.lower()):
            return term
    return name if len(name) == 3 and name.isalpha() else "und"
