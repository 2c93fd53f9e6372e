"""SRT and VTT files with common irregularities."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from lipsync.errors import MediaError
from lipsync.translation.subtitles import Cue, read_subtitles, write_subtitles

SRT = """1
00:00:01,000 --> 00:00:02,500
Good morning,
<i>everybody</i>.

2
00:00:03,000 --> 01:00:04,250 X1:10 Y1:20
{\\an8}Tom &amp; I
"""
VTT = """WEBVTT - a title
Language: en

STYLE
::cue { color: red }

NOTE
nobody says this

1
00:01.000 --> 00:02.500 align:start
<v Roger Bingham>Good <00:01.500>morning,
<c.loud>everybody</c>.

last
00:00:03.000 --> 01:00:04.250
Tom &amp; I
"""
EXPECTED = [(1.0, 2.5, "Good morning, everybody."), (3.0, 3604.25, "Tom & I")]


def read(path: Path, text: str, encoding: str = "utf-8") -> list[tuple[float, float, str]]:
    path.write_bytes(text.encode(encoding))
    return [(cue.start, cue.end, cue.text) for cue in read_subtitles(path)]


@pytest.mark.parametrize("text", [SRT, VTT])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_both_formats_in_every_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    assert read(tmp_path / "a.srt", text, encoding) == EXPECTED
    assert read(tmp_path / "a.srt", text.replace("\n", "\r\n"), encoding) == EXPECTED


def test_an_srt_that_is_not_quite_one(tmp_path: Path) -> None:
    text = SRT.replace("00:00:01,000 --> 00:00:02,500", "0:01.0 --> 00:02,5")  # hours missing
    text = text.replace("everybody</i>.\n\n", "everybody</i>.\n")  # no empty line between
    assert read(tmp_path / "a.srt", text) == EXPECTED
    text = SRT.replace("morning,\n", "morning,\n\n")  # an empty line within a text
    assert read(tmp_path / "a.srt", "\n\n" + text) == EXPECTED
    assert read(tmp_path / "a.srt", SRT.replace("1\n00", "00").replace("2\n00", "00")) == EXPECTED
    year = SRT.replace("Good morning,\n<i>everybody</i>.", "1984")
    assert read(tmp_path / "a.srt", year)[0][2] == "1984"


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("[door slams]", None),
        ("(laughs)", None),
        ("♪ la la ♪", None),
        ("♪ la\nla", None),
        ("<i></i>", None),
        ("[sighs] No.", "No."),
        ("He (Tom) left", "He (Tom) left"),
        ("- Yes?\n- No!", "Yes? No!"),
        ("<i>- Yes</i>", "Yes"),
        ("2 &lt; 3", "2 < 3"),
    ],
)
def test_what_is_not_speech_is_left_out(tmp_path: Path, text: str, spoken: str | None) -> None:
    block = f"\n3\n00:00:05,000 --> 00:00:06,000\n{text}\n"
    found = [
        row[2] for row in read(tmp_path / "a.srt", SRT.replace("01:00:04", "00:00:04") + block)
    ]
    assert found[2:] == ([] if spoken is None else [spoken])


def test_cues_that_overlap(tmp_path: Path) -> None:
    times = [("05", "07", "c"), ("01", "04", "a"), ("03", "05", "b"), ("05", "06", "d")]
    text = "\n".join(f"00:00:{a},000 --> 00:00:{b},000\n{line}\n" for a, b, line in times)
    expected = [(1, 3, "a"), (3, 5, "b"), (5, 7, "c d")]
    assert read(tmp_path / "a.srt", text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (SRT.replace("00:00:03,000", "00:00:3x"), "line 7: times cannot be read; write e.g. 00:00"),
        (SRT.replace("00:00:03,000", "02:00:03,000"), "line 7: ends before it starts"),
        ("once upon a time\n" + SRT, "line 1: belongs to no cue"),
        (SRT + "\n3\n", "line 10: belongs to no cue"),
        (VTT + "\nlost\n", "line 19: belongs to no cue"),
        ("", "contains no line of speech"),
        ("WEBVTT\n", "contains no line of speech"),
        ("1\n00:01 --> 00:02\n[music]\n", "contains no line of speech"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_line(tmp_path, text, problem) -> None:
    with pytest.raises(MediaError, match=problem) as caught:
        read(tmp_path / "a.srt", text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    long = "a line that is longer than what fits into the width of a screen, & in <b>two</b> parts"
    cues = [Cue(0.0, 1.9996, "one"), Cue(2.0, 2.5, ""), Cue(3.5, 3725.042, long)]
    write_subtitles(tmp_path / f"a.{suffix}", cues)
    text = (tmp_path / f"a.{suffix}").read_text(encoding="utf-8")
    assert max(map(len, html.unescape(text).splitlines())) <= 42
    mark = "." if suffix == "vtt" else ","
    assert f"00:00:03{mark}500 --> 01:02:05{mark}042" in text
    again = [(cue.start, cue.end, cue.text) for cue in read_subtitles(tmp_path / f"a.{suffix}")]
    plain = long if suffix == "vtt" else long.replace("<b>", "").replace("</b>", "")
    assert again == [(0.0, 2.0, "one"), (3.5, 3725.042, plain)]
