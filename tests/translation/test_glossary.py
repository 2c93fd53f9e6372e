"""Terms with fixed translations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lipsync.errors import MediaError
from lipsync.translation.glossary import Glossary

TERMS = {"lip sync": "sincronía labial", "lip": "labio", "Mr. Hill": "señor Hill", "口": "boca"}


def shout(text: str) -> str:
    """An engine that changes everything except placeholders."""
    return " ".join(w if re.fullmatch(r"Zq\d+\W*", w) else w.upper() for w in text.split())


def test_terms_are_whole_words_and_the_longest_wins() -> None:
    glossary = Glossary(TERMS)
    assert glossary.terms_in("LIP SYNC is no slip of the lip, mr. hill") == {
        "lip sync": "sincronía labial",
        "lip": "labio",
        "Mr. Hill": "señor Hill",
    }
    assert glossary.terms_in("slips") == {}
    assert glossary.terms_in("大口小") == {"口": "boca"}
    assert Glossary({}).terms_in("lip") == {}


def test_terms_are_in_the_translation() -> None:
    glossary = Glossary(TERMS)
    made = glossary.translate("good lip sync, and lip", shout)
    assert made == "GOOD sincronía labial, AND labio"
    assert glossary.translate("nothing here", shout) == "NOTHING HERE"
    assert glossary.translate("a lip", lambda text: "un LABIO") == "un LABIO"  # a known term
    assert glossary.translate("a lip", lambda text: "nada") == "nada"  # placeholders are lost
    many = Glossary({f"w{k}": f"t{k}" for k in range(12)})
    said = " ".join(f"w{k}" for k in range(12))
    assert many.translate(said, shout) == " ".join(f"t{k}" for k in range(12))


def test_what_could_not_be_applied_is_reported() -> None:
    notes = Glossary(TERMS).report(["a lip", "none", "lip sync", "lip"], ["labio", "x", "nada", ""])
    assert notes == [
        "glossary: 3 terms in 3 of 4 lines",
        "glossary: line 3 has 'lip sync' without 'sincronía labial': nada",
    ]
    assert Glossary(TERMS).report(["none"], ["x"]) == ["glossary: no line contains a term"]


@pytest.mark.parametrize("head", ["", "Source,Target\r\n"])
def test_a_file_of_terms(tmp_path: Path, head: str) -> None:
    path = tmp_path / "terms.csv"
    path.write_bytes((head + "lip,labio\r\n\r\nface,cara\r\n").encode("utf-16"))
    assert Glossary.read(path).terms == {"lip": "labio", "face": "cara"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "lip,labio\nface",
            "line 2: does not hold a term and its translation; write lines of: source,t",
        ),
        ("lip,labio\nface,", "line 2: does not hold a term"),
        ("lip,labio\nface,cara,rostro", "line 2: does not hold a term"),
        ("lip,labio\nlip,boca", "line 2: 'lip' has another translation above"),
    ],
)
def test_a_bad_file_names_the_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "terms.csv"
    path.write_text(text)
    with pytest.raises(MediaError, match=problem):
        Glossary.read(path)
