"""Numbers and abbreviations written out as words."""

import sys

import pytest

from lipsync.errors import StageError
from lipsync.translation.text_normalisation import normalise_text


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "Dr. Who & Mrs. Smith, etc.", "Doctor Who and Missis Smith, et cetera"),
        ("es", "El Sr. López, p. ej.", "El señor López, por ejemplo"),
        ("de", "Hr. Maier, z. B. usw.", "Herr Maier, zum Beispiel und so weiter"),
        ("fr", "M. Dupont", "monsieur Dupont"),
        ("hi", "नमस्ते", "नमस्ते"),
        ("en", "Mrs.Smith stays", "Mrs.Smith stays"),
    ],
)
def test_abbreviations(language, text, said):
    assert normalise_text(text, language) == said


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "I have 21.", "I have twenty-one."),
        ("en", "1,234 and 3.5", "one thousand, two hundred and thirty-four and three point five"),
        ("en", "the 3rd and 21st", "the third and twenty-first"),
        ("en", "5% of it", "five percent of it"),
        ("es", "1.234 y 3,5", "mil doscientos treinta y cuatro y tres punto cinco"),
        ("de", "50 %", "fünfzig Prozent"),
        ("es", "3.5 y 1.234,5", "tres punto cinco y mil doscientos treinta y cuatro punto cinco"),
        ("en", "1,5 and 12,000.5", "one point five and twelve thousand point five"),
        ("fr", "1\u202f234 et 50\u00a0%", "mille deux cent trente-quatre et cinquante pour cent"),
        ("en", "the B52 and x2", "the B52 and x2"),
    ],
)
def test_numbers(language, text, said):
    pytest.importorskip("num2words", reason="needs the extra 'translate'")
    assert normalise_text(text, language) == said


def test_a_date_is_not_read_as_millions():
    pytest.importorskip("num2words", reason="needs the extra 'translate'")
    with pytest.raises(StageError, match=r"does not read '26\.11\.2026'; write it in words"):
        normalise_text("Am 26.11.2026.", "de")


def test_a_number_that_nobody_can_spell(monkeypatch):
    monkeypatch.setitem(sys.modules, "num2words", None)
    with pytest.raises(StageError, match=r"^speak: the voice does not read '7'; pip install -c"):
        normalise_text("7 days", "en")
