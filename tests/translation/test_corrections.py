"""Corrections from outside: by line number, or with the proof-reading page's file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from translation_media import edit, engines, made, rows, work

from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.translation import translate


class Thins:
    """A voice that counts its conversions."""

    name = "thins"

    def __init__(self) -> None:
        self.calls = 0

    def convert(self, wave: np.ndarray, rate: int, reference: np.ndarray) -> np.ndarray:
        self.calls += 1
        return wave / 2


def saved(output: Path, *lines: dict, to: str = "es") -> Path:
    """The file that the page saves."""
    path = output.with_suffix(".corrections.json")
    path.write_text(json.dumps({"to": to, "lines": list(lines)}), encoding="utf-8")
    return path


def test_only_what_is_corrected_is_made_again(video: Path, output: Path) -> None:
    voice = Thins()
    options, heard, turned, spoken = engines(voice=voice)
    translate(video, output, options)
    before = (work(output) / "es/speech/001.wav").read_bytes()
    given = saved(output, {"line": 2, "text": "uoy era woh", "new_text": "  qué\n tal "})
    corrected = replace(options, correct=given)
    result = translate(video, output, corrected)
    assert [line[3] for line in result.lines] == ["gninrom doog", "qué tal", "uoy knaht"]
    assert made(result) == {"speak": 1, "voice": 1, "fit": 1}
    assert (heard.calls, len(turned.seen), spoken.seen[3:], voice.calls) == (1, 3, ["qué tal"], 4)
    assert (work(output) / "es/speech/001.wav").read_bytes() == before
    for again in (corrected, options):  # it is kept, with the file or without
        result = translate(video, output, again)
        assert made(result) == {}
        assert result.lines[1][3] == "qué tal"


def test_what_was_said_is_corrected_and_translated_again(video: Path, output: Path) -> None:
    options, heard, turned, spoken = engines()
    translate(video, output, options)
    given = saved(
        output,
        {"line": 1, "source": "good morning", "new_source": "good evening"},
        {
            "line": 3,
            "source": "thank you",
            "new_source": "thanks",
            "text": "uoy knaht",
            "new_text": "gracias",
        },
    )
    corrected = replace(options, correct=given)
    result = translate(video, output, corrected)
    assert [line[2:] for line in result.lines] == [
        ("good evening", "gnineve doog"),
        ("how are you", "uoy era woh"),
        ("thanks", "gracias"),
    ]
    assert (heard.calls, turned.seen[3:]) == (1, ["good evening"])
    assert spoken.seen[3:] == ["gnineve doog", "gracias"]
    assert result.notes == []
    assert made(translate(video, output, corrected)) == {}


def test_a_line_by_its_number(video: Path, output: Path) -> None:
    options, *_, spoken = engines()
    translate(video, output, options)
    result = translate(video, output, replace(options, correct={2: "", "3": "gracias"}))
    assert [line[3] for line in result.lines] == ["gninrom doog", "", "gracias"]
    assert spoken.seen[3:] == ["gracias"]


def test_the_lines_of_given_subtitles_are_corrected(video: Path, output: Path) -> None:
    given = output.with_name("a.srt")
    given.write_text("1\n00:00:00,500 --> 00:00:01,500\nhola\n")
    options, *_, spoken = engines(subtitles=given)
    translate(video, output, options)
    result = translate(video, output, replace(options, correct={1: "buenas"}))
    assert [line[3] for line in result.lines] == ["buenas"]
    assert spoken.seen == ["hola", "buenas"]
    page = saved(output, {"line": 1, "source": "", "new_source": "hello"})
    with pytest.raises(ConfigError, match="the transcript cannot be corrected with --subtitles"):
        translate(video, output, replace(options, correct=page))


LINE = {"line": 1, "text": "gninrom doog", "new_text": "buenos días"}


@pytest.mark.parametrize(
    ("correct", "problem"),
    [
        ({4: "nada"}, "no line 4: .* has 3 lines"),
        ({0: "nada"}, "no line 0"),
        ({"two": "nada"}, "correct: 'two' is not a line number"),
        ([LINE | {"line": 9}], "no line 9"),
        ([LINE | {"line": "1"}], "correction 1 needs line, text and new_text"),
        ([{"line": 1}], "correction 1 needs line"),
        ([LINE, LINE | {"new_text": 5}], "correction 2 needs line"),
        ([LINE, LINE | {"line": 2}], "corrects 'gninrom doog' in line 2, where .* 'uoy era woh'"),
        ([{"line": 2, "source": "who", "new_source": "you"}], r"transcript.json has 'how are you'"),
        ("fr", "corrects lines in 'fr', and --to is es"),
        ("none", "cannot be read"),
    ],
)
def test_corrections_that_do_not_fit_change_nothing(
    video: Path, output: Path, correct: object, problem: str
) -> None:
    options, *_ = engines(until="translate")
    translate(video, output, options)
    file = work(output) / "es/translation.json"
    before = file.read_bytes()
    if isinstance(correct, list):
        correct = saved(output, *correct)
    elif isinstance(correct, str):
        correct = saved(output, LINE, to="fr") if correct == "fr" else output.with_name("no.json")
    with pytest.raises(LipsyncError, match=problem) as caught:
        translate(video, output, replace(options, correct=correct))
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before


def test_a_line_that_was_corrected_elsewhere_meanwhile(video: Path, output: Path) -> None:
    options, *_ = engines(until="translate")
    translate(video, output, options)
    edit(work(output) / "es/translation.json", lambda text: text.replace("gninrom doog", "hola", 1))
    with pytest.raises(MediaError, match="write the page anew with --proof and correct that"):
        translate(video, output, replace(options, correct=saved(output, LINE)))
    assert rows(work(output) / "es/translation.json")[0]["text"] == "hola"


def test_nothing_is_there_to_correct_yet(video: Path, output: Path) -> None:
    options, *_ = engines(correct={1: "hola"})
    with pytest.raises(ConfigError, match="run without --correct first"):
        translate(video, output, options)
    assert not work(output).exists()
