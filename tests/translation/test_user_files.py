"""Subtitles instead of a stage, output subtitles, and a glossary, in the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from translation_media import HEARD, Reverses, edit, engines, made, rows, work

from lipsync.errors import ConfigError, MediaError, StageError
from lipsync.translation import Options, translate
from lipsync.translation.subtitles import Cue, read_subtitles, write_subtitles


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(stage: str, *_: object) -> None:
        raise StageError(stage, "no engine here", "install one")

    monkeypatch.setattr("lipsync.translation.job.choose", missing)


def write(path: Path, *cues: tuple[float, float, str]) -> Path:
    write_subtitles(path, [Cue(*cue) for cue in cues])
    return path


def test_a_transcript_by_hand_is_not_recognised(video: Path, output: Path) -> None:
    given = write(output.with_name("talk.en.vtt"), (0.4, 1.4, "good evening"), (2, 3, "who is it"))
    options, heard, turned, _ = engines(transcript=given)
    result = translate(video, output, options)
    assert heard.calls == 0
    assert result.source == "en"  # from the file name
    assert result.lines == [
        (0.4, 1.4, "good evening", "gnineve doog"),
        (2.0, 3.0, "who is it", "ti si ohw"),
    ]
    assert made(translate(video, output, options)) == {}
    edit(given, lambda text: text.replace("who", "what"))
    assert made(translate(video, output, options)) == {
        "recognise": 1, "translate": 1, "speak": 1, "fit": 1,
    }  # fmt: skip
    assert turned.seen[-1] == "what is it"
    assert heard.calls == 0


def test_corrections_of_a_given_transcript_stay(video: Path, output: Path) -> None:
    given = write(output.with_name("a.srt"), (0.4, 1.4, "good evening"))
    options, *_ = engines(transcript=given, source="en", until="translate")
    translate(video, output, options)
    edit(work(output) / "transcript.json", lambda text: text.replace("good evening", "good night"))
    assert translate(video, output, options).lines[0][2] == "good night"
    edit(given, lambda text: text.replace("evening", "day"))
    with pytest.raises(
        StageError, match=r"transcript.json was corrected by hand, and .*a.srt is an"
    ):
        translate(video, output, options)


def test_a_transcript_needs_a_language(video: Path, output: Path) -> None:
    given = write(output.with_name("a.srt"), (0.4, 1.4, "good evening"))
    with pytest.raises(ConfigError, match="states no language; set it with --from"):
        translate(video, output, engines(transcript=given)[0])
    with pytest.raises(ConfigError, match="--from and --to are both es"):
        translate(video, output, engines(transcript=given, source="es")[0])


@pytest.mark.usefixtures("no_engine")
def test_a_translation_by_hand_is_all_that_is_needed(video: Path, output: Path) -> None:
    given = write(output.with_name("a.srt"), (0.5, 1.5, "hola"), (4.5, 7.0, "adiós"))
    options = Options(to="es", subtitles=given, until="translate")
    result = translate(video, output, options)
    assert result.lines == [(0.5, 1.5, "", "hola"), (4.5, 5.0, "", "adiós")]  # to the video's end
    assert result.source == ""
    assert "?" in str(result) or "stopped" in str(result)
    assert made(translate(video, output, options)) == {}
    file = work(output) / "es/translation.json"
    edit(file, lambda text: text.replace('"text": "hola"', '"text": "buenas"'))
    assert [line[3] for line in translate(video, output, options).lines] == ["buenas", "adiós"]
    edit(given, lambda text: text.replace("adiós", "chao"))
    assert [line[3] for line in translate(video, output, options).lines] == ["buenas", "chao"]
    edit(given, lambda text: text.replace("hola", "saludos"))
    result = translate(video, output, options)
    assert [line[3] for line in result.lines] == ["buenas", "chao"]
    assert "line 1 was corrected by hand and is kept" in result.notes[0]


def test_a_translation_is_laid_beside_what_is_said(video: Path, output: Path) -> None:
    options, heard, turned, spoken = engines()
    translate(video, output, options)
    given = write(output.with_name("a.srt"), (0.6, 3.1, "buenos días, qué tal"))
    options, *_ = engines(subtitles=given, asr=heard, translator=turned, tts=spoken)
    result = translate(video, output, options)
    assert result.lines == [(0.6, 3.1, "good morning how are you", "buenos días, qué tal")]
    assert (heard.calls, len(turned.seen)) == (1, 3)
    assert spoken.seen[-1] == "buenos días, qué tal"
    assert "nothing for 1 lines of the transcript, which stay silent: 3" in result.notes[0]
    assert rows(work(output) / "es/fit.json")[0]["start"] == pytest.approx(0.6, abs=0.01)


def test_subtitles_of_another_video(video: Path, output: Path) -> None:
    given = write(output.with_name("a.srt"), (0.5, 1.5, "hola"), (61, 62, "adiós"))
    options, *_ = engines(subtitles=given)
    with pytest.raises(
        MediaError,
        match=r"a.srt: line 6: starts at 61.00 s, but .* ends at 5.00 "
        "s",
    ):
        translate(video, output, options)
    given.write_text("1\n00:00:0x\n")
    for name in ("subtitles", "transcript"):
        with pytest.raises(MediaError, match=r"a.srt: line 2: belongs to no cue"):
            translate(video, output, engines(**{name: given})[0])


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_subtitles_of_both_languages_are_written(video: Path, output: Path, suffix: str) -> None:
    options, *_ = engines(write_subtitles=suffix)
    result = translate(video, output, options)
    said, new = (output.with_name(f"out.{code}.{suffix}") for code in ("en", "es"))
    assert result.subtitles == [said, new]
    assert str(new) in result.as_dict()["subtitles"]
    assert [(c.start, c.end, c.text) for c in read_subtitles(said)] == [
        (line.start, line.end, line.text) for line in HEARD
    ]
    placed = rows(work(output) / "es/fit.json")
    assert [(c.start, c.end, c.text) for c in read_subtitles(new)] == [
        (row["start"], row["end"], row["text"]) for row in placed
    ]
    edit(new, lambda text: text.replace("gninrom", "GNINROM"))
    edited = new.read_text(encoding="utf-8")
    result = translate(video, output, options)
    assert result.subtitles == [said]
    assert "was edited by hand and is kept" in result.notes[-1]
    assert new.read_text(encoding="utf-8") == edited
    with pytest.raises(MediaError, match="is the input file"):
        translate(video, output, engines(write_subtitles=suffix, subtitles=new)[0])
    new.unlink()
    result = translate(video, output, engines(write_subtitles=suffix, transcript=said)[0])
    assert result.subtitles == [new]


def test_a_glossary_is_applied_and_a_change_of_it_only_where_it_matters(
    video: Path, output: Path
) -> None:
    terms = output.with_name("terms.csv")
    terms.write_text("source,target\nmorning,mañana\n")

    class Codes(Reverses):
        def translate(self, text: str, source: str, target: str) -> str:
            return super().translate(text, source, target)[::-1].upper()

    options, *_ = engines(glossary=terms, until="translate", translator=Codes())
    result = translate(video, output, options)
    assert [line[3] for line in result.lines] == ["GOOD mañana", "HOW ARE YOU", "THANK YOU"]
    assert result.notes == ["glossary: 1 terms in 1 of 3 lines"]
    assert made(translate(video, output, options)) == {}
    terms.write_text("source,target\nmorning,día\nnobody,nadie\n")
    result = translate(video, output, options)
    assert result.made["translate"] == 1
    assert result.lines[0][3] == "GOOD día"
    edit(work(output) / "es/translation.json", lambda text: text.replace("GOOD día", "BUENA"))
    result = translate(video, output, options)
    assert result.notes[1] == "glossary: line 1 has 'morning' without 'día': BUENA"
