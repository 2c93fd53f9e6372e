"""Refusals: inputs that cannot be translated, and files that must not be overwritten."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from translation_media import (
    HEARD,
    Beeps,
    Hears,
    Reverses,
    edit,
    engines,
    made,
    make_talk,
    rows,
    work,
)

from lipsync.errors import ConfigError, MediaError, StageError
from lipsync.media import write_audio
from lipsync.translation import Segment, translate
from lipsync.translation.mixing import RATE


def test_no_speech(video: Path, output: Path) -> None:
    options, *_ = engines(asr=Hears(lines=()))
    with pytest.raises(StageError, match=r"^recognise: no speech found in .*talk\.mp4; "):
        translate(video, output, options)


def test_another_language_than_declared(video: Path, output: Path) -> None:
    options, *_ = engines(asr=Hears(language="fr"), source="en")
    with pytest.raises(StageError, match=r"^recognise: .*--from is 'en'; set --from fr"):
        translate(video, output, options)


def test_a_doubtful_transcript_waits_for_a_person(video: Path, output: Path) -> None:
    options, *_ = engines(asr=Hears(doubt="barely intelligible"))
    for _ in range(2):
        with pytest.raises(
            StageError,
            match=r"^recognise: .*barely intelligible; .*--from.* correct .*transcript\.json",
        ):
            translate(video, output, options)
    edit(work(output) / "transcript.json", lambda text: text.replace("barely intelligible", ""))
    translate(video, output, options)


def test_it_is_in_that_language_already(video: Path, output: Path) -> None:
    options, *_ = engines(asr=Hears(language="es"))
    with pytest.raises(StageError, match="is already in 'es'"):
        translate(video, output, options)


def test_a_line_that_cannot_fit_is_named_and_the_rest_kept(video: Path, output: Path) -> None:
    options, *_ = engines(tts=Beeps(seconds=0.4))
    with pytest.raises(StageError, match=r"^fit: line 1 takes .*translation\.json"):
        translate(video, output, options)
    speech = work(output) / "es" / "speech"
    assert sorted(path.name for path in speech.glob("*.wav")) == ["001.wav", "002.wav", "003.wav"]
    assert max(row["over"] for row in rows(work(output) / "es" / "fit.json")) > 0
    assert not (work(output) / "es" / "track.wav").exists()


def test_a_line_that_cannot_fit_is_offered_shorter(tmp_path: Path, output: Path) -> None:
    """Suggests the translator's alternatives that fit; without any, states the excess."""

    class Knows(Reverses):
        def n_best(self, text: str, source: str, target: str) -> list[str]:
            asked.append((text, source, target))
            return [text[::-1], "no", "far too long", "un dia", "buen dia", "buenos ya"]

    asked: list[tuple[str, str, str]] = []
    video = make_talk(tmp_path / "short.mp4", 2.0, HEARD[:1])  # 2 s for 12 letters of 0.25 s
    one = {"asr": Hears(HEARD[:1]), "tts": Beeps(seconds=0.25), "fastest": 1.0}
    options, *_ = engines(translator=Knows(), **one)
    with pytest.raises(StageError, match=r"shorter: --correct 1='un dia'; or say it with 4 of"):
        translate(video, output, options)
    (row,) = rows(work(output) / "es" / "fit.json")
    assert row["shorter"] == ["un dia", "buen dia"]
    assert asked == [("good morning", "en", "es")]
    options, *_ = engines(translator=Knows(), correct={1: "buen dia"}, **one)
    assert made(translate(video, output, options))["fit"] == 1
    options, *_ = engines(**one)
    problem = r"0 s at 1 times .*gninrom doog; say it with 4 of its 12 letters less in "
    with pytest.raises(StageError, match=problem):
        translate(video, tmp_path / "other.mp4", options)


def test_after_a_line_that_did_not_fit_the_track_is_made_again(video: Path, output: Path) -> None:
    options, *_ = engines()
    translate(video, output, options)
    translation = work(output) / "es" / "translation.json"
    edit(translation, lambda text: text.replace('"uoy era woh"', f'"{"long " * 20}"', 1))
    with pytest.raises(StageError, match=r"^fit: line 2 takes"):
        translate(video, output, options)
    edit(translation, lambda text: text.replace("long " * 20, "short"))
    result = translate(video, output, options)
    assert made(result) == {"speak": 1, "fit": 1}
    assert result.notes == []


def test_a_track_that_was_mixed_by_hand_stays(video: Path, output: Path) -> None:
    options, *_ = engines()
    translate(video, output, options)
    track = work(output) / "es" / "track.wav"
    write_audio(track, np.full(5 * RATE, 0.1, np.float32), RATE)
    mixed = track.read_bytes()
    translation = work(output) / "es" / "translation.json"
    edit(translation, lambda text: text.replace('"uoy era woh"', '"si"', 1))
    result = translate(video, output, options)
    assert track.read_bytes() == mixed
    assert "track.wav was edited by hand and is kept" in result.notes[0]


def test_an_engine_that_makes_no_sound(video: Path, output: Path) -> None:
    options, *_ = engines(tts=Beeps(seconds=0.0))
    with pytest.raises(
        StageError,
        match=r"^speak: beeps produced no sound for line 1: gninrom doog; ",
    ):
        translate(video, output, options)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace('"start"', '"begin"', 1), "segment 1 needs start, end"),
        (lambda text: text.replace("{", "", 1), r"transcript\.json: line \d+: "),
        (lambda text: text.replace('"start": 2.0', '"start": 3.5'), "segment 2 goes from 3.5"),
        (lambda text: text.replace('"start": 2.0', '"start": 1.0'), "starts before segment 1 ends"),
        (lambda text: text.replace('"language"', '"tongue"'), "has no language"),
    ],
)
def test_a_file_that_a_correction_has_broken(video: Path, output: Path, change, problem) -> None:
    options, *_ = engines()
    translate(video, output, options)
    edit(work(output) / "transcript.json", change)
    with pytest.raises(MediaError, match=problem):
        translate(video, output, options)


def test_a_work_folder_that_cannot_be_made(video: Path, output: Path) -> None:
    options, *_ = engines()
    work(output).mkdir()
    (work(output) / "es").write_text("a file")
    with pytest.raises(MediaError, match=r"out\.work/es: cannot be written \(File exists\)"):
        translate(video, output, options)


def test_a_full_disk(video: Path, output: Path, monkeypatch) -> None:
    def full(path: Path, text: str, **options) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    options, *_ = engines()
    with pytest.raises(MediaError, match=r"source\.json: cannot be written \(No space left"):
        translate(video, output, options)


def test_a_work_folder_of_another_video(video: Path, output: Path, tmp_path: Path) -> None:
    options, *_ = engines()
    translate(video, output, options)
    other = make_talk(tmp_path / "other.mp4", lines=(Segment(1.0, 2.0, "hi"),))
    with pytest.raises(ConfigError, match="holds another video's translation"):
        translate(other, output, options)


def test_an_index_that_names_files_elsewhere_touches_nothing(
    video: Path, output: Path, tmp_path: Path
) -> None:
    options, *_ = engines()
    translate(video, output, options)
    precious = tmp_path / "precious.wav"
    write_audio(precious, np.zeros(100, np.float32))
    index = work(output) / "es" / "speech" / "lines.json"
    edit(index, lambda text: text.replace('"002.wav"', '"../../../precious.wav"'))
    translate(video, output, options)
    assert precious.exists()


def test_a_transcript_written_by_hand_needs_no_recogniser(video: Path, output: Path) -> None:
    work(output).mkdir()
    (work(output) / "transcript.json").write_text(
        '{"language": "hi", "segments": [{"start": 0.5, "end": 1.5, "text": "नमस्ते"}]}',
        encoding="utf-8",
    )
    options, heard, turned, _ = engines()
    result = translate(video, output, options)
    assert (heard.calls, turned.seen, result.source) == (0, ["नमस्ते"], "hi")
