"""The proof-reading page: its content, its links, and the command that it shows."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from translation_media import DUBBED, Beeps, Hears, Reverses, engines, make_talk, work

from lipsync import cli
from lipsync.errors import ConfigError, MediaError, StageError
from lipsync.translation import Segment, Transcript, translate, translate_with_page
from lipsync.translation import engines as known
from lipsync.translation.proof import write_page

SAID = (
    Segment(0.5, 1.5, 'He said "1 < 2" & left'),
    Segment(2.0, 3.0, "</textarea><script>alert(1)</script>"),
    Segment(3.6, 4.6, "{{ thank }} 'you'"),
)


class Page(HTMLParser):
    """The parts of a page that a test looks at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[dict] = []  # text by field name, and all text of the row
        self.videos: dict[str, str] = {}
        self.commands = ""
        self.scripts = 0
        self._in: str | None = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        found = dict(attrs)
        assert not any(name.startswith("on") for name in found)
        if tag == "tr" and "data-line" in found:
            self.rows.append({"text": "", "source": "", "all": "", "plays": [], **found})
        if tag == "button" and "data-film" in found:
            self.rows[-1]["plays"].append(
                (found["data-film"], float(found["data-start"]), float(found["data-end"]))
            )
        if tag == "video":
            self.videos[found["data-key"]] = unquote(found["src"])
        self.scripts += tag == "script"
        self._in = found.get("name") if tag == "textarea" else tag

    def handle_endtag(self, tag: str) -> None:
        self._in = None

    def handle_data(self, data: str) -> None:
        if self._in in ("text", "source"):
            self.rows[-1][self._in] += data
        elif self.rows:
            self.rows[-1]["all"] += data
        if self._in == "pre":
            self.commands += data


def dubbed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A fake dub that copies the sound, and records the videos."""
    asked: list[Path] = []

    def fake(face, audio, output, **options):
        asked.append(output)
        output.write_bytes(audio.read_bytes())
        return DUBBED

    monkeypatch.setattr("lipsync.dubbing.dub", fake)
    return asked


def test_every_line_is_on_the_page_as_it_is(tmp_path: Path, monkeypatch) -> None:
    dubbed(monkeypatch)
    video = make_talk(tmp_path / 'a "b" & <c> #1?.mp4', lines=SAID)
    (tmp_path / "out").mkdir()
    output, page = tmp_path / "out" / "ä.mp4", tmp_path / "page.html"

    options, heard, _, spoken = engines(until="lips")
    heard.transcript, spoken.seconds = Transcript("en", SAID), 0.02
    result = translate_with_page(page, ["lipsync"], video, output, options)
    assert f"proof-read it on {page}" in result.notes
    found = Page(page)
    assert [row["source"] for row in found.rows] == [line.text for line in SAID]
    assert [row["text"] for row in found.rows] == [line.text[::-1] for line in SAID]
    assert found.videos == {"source": video.name, "text": "out/ä.mp4"}
    assert found.scripts == 1
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import|<link", text)
    assert [play[0] for play in found.rows[1]["plays"]] == ["source", "text"]
    assert found.rows[1]["plays"][0][1:] == (2.0, 3.0)
    assert "reverses" in found.rows[0]["all"]


def test_what_to_look_at(video: Path, output: Path) -> None:
    page, terms = output.with_name("page.htm"), output.with_name("terms.csv")
    terms.write_text("source,target\nthank,gracias\n")
    options, _, turned, _ = engines(glossary=terms)
    translate_with_page(page, ["lipsync"], video, output, options)
    changes = {1: "x" * 90, 2: ""}
    options, *_ = engines(glossary=terms, translator=turned, correct=changes)
    translate_with_page(page, ["lipsync"], video, output, options)
    first, second, third = (row["all"] for row in Page(page).rows)
    assert "hurried" in first
    assert "corrected by hand" in first
    assert re.search(r"3.5 s, was 1.0 s; speed 1.29", first)
    assert "silent" in second
    assert "'thank' without 'gracias'" in third
    assert "speed" not in second


def test_a_language_that_is_not_known_is_not_named(video: Path, output: Path) -> None:
    given = output.with_name("talk.es.srt")
    given.write_text("1\n00:00:00,500 --> 00:00:01,500\nbuenos días\n")
    options, *_ = engines(subtitles=given)
    page = output.with_suffix(".html")
    translate_with_page(page, ["lipsync"], video, output, options)
    text = page.read_text(encoding="utf-8")
    assert "<figcaption>original</figcaption>" in text
    assert "<h1>talk.mp4: Spanish</h1>" in text


def test_who_says_a_line(video: Path, output: Path) -> None:
    options, *_ = engines(until="translate")
    translate(video, output, options)
    turns = [{"line": 1, "speaker": "A", "face": "9,9"}, {"line": 2, "speaker": "B", "face": None}]
    (work(output) / "speakers.json").write_text(json.dumps({"turns": turns}))
    page = output.with_name("page.html")
    write_page(page, ["lipsync"], video, None, replace(options, speakers=2), work(output))
    first, second, third = (row["all"] for row in Page(page).rows)
    assert "1 A" in first
    assert "2 B" in second
    assert ["speaker not seen" in row for row in (first, second, third)] == [False, True, False]


def test_lines_that_do_not_fit_are_shown(video: Path, output: Path) -> None:
    page = output.with_name("page.html")
    options, *_ = engines(until="translate")
    translate_with_page(page, ["lipsync"], video, output, options)
    found = Page(page)
    assert set(found.videos) == {"source"}
    assert all([play[0] for play in row["plays"]] == ["source"] for row in found.rows)
    options, *_ = engines(correct={3: "x" * 80})
    with pytest.raises(StageError, match=r"fit: line 3 .*--fastest; the lines are on .*page.html"):
        translate_with_page(page, ["lipsync"], video, output, options)
    third = Page(page).rows[2]
    assert third["text"] == "x" * 80
    assert re.search(r"\d\.\d s too long", third["all"])


@pytest.mark.parametrize(
    ("page", "until", "problem"),
    [
        ("out.mp4", "fit", "--proof .*out.mp4: name an .html file, e.g. out.html"),
        ("no/page.html", "fit", "no such folder"),
        ("page.html", "recognise", "leave out --until recognise"),
    ],
)
def test_pages_that_cannot_be_written(video, output, page, until, problem) -> None:
    options, heard, *_ = engines(until=until)
    with pytest.raises((ConfigError, MediaError), match=problem):
        translate_with_page(output.parent / page, ["lipsync"], video, output, options)
    assert heard.calls == 0


def test_the_command_of_the_page_makes_only_what_is_corrected(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    asked = dubbed(monkeypatch)
    loaded = {"recognise": Hears(), "translate": Reverses(), "speak": Beeps()}
    monkeypatch.setattr(
        "lipsync.translation.job.choose",
        lambda stage, *_: known.Choice(loaded[stage].name, lambda: loaded[stage]),
    )
    monkeypatch.chdir(tmp_path)
    make_talk(Path("it's a talk.mp4"))
    Path("out").mkdir()
    words = "--to es --from en -o out/out.mp4 --background 0.5 --proof out/page.html --until fit"
    assert cli.main(["translate", "it's a talk.mp4", *words.split(), "--quiet"]) == 0
    shown = shlex.split(Page(Path("out/page.html")).commands)
    assert shown[:3] == ["lipsync", "translate", "it's a talk.mp4"]
    assert shown[-2:] == ["--correct", "out/page.corrections.json"]
    assert "--until" not in shown
    Path("out/page.corrections.json").write_text(
        '{"to": "es", "lines": [{"line": 3, "text": "uoy knaht", "new_text": "gracias"}]}'
    )
    assert cli.main(shown[1:]) == 0
    assert loaded["speak"].seen[3:] == ["gracias"]
    assert (loaded["recognise"].calls, len(loaded["translate"].seen)) == (1, 3)
    assert asked == [Path("out/out.mp4")]
    assert "proof-read it on out/page.html" in capsys.readouterr().out
    assert cli.main(["translate", *shown[2:-2], "--correct", "3=adiós", "--correct", "1=hola"]) == 0
    assert loaded["speak"].seen[4:] == ["hola", "adiós"]
    with pytest.raises(SystemExit):
        cli.main(["translate", *shown[2:-2], "--correct", "3=adiós", "--correct", "a.json"])
    assert "with several values each needs a name" in capsys.readouterr().err
