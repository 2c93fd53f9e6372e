"""The stages together: results made, results reused, and the effect of corrections."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from translation_media import (
    HEARD,
    Beeps,
    Reverses,
    edit,
    engines,
    hertz,
    made,
    make_talk,
    pitch,
    rows,
    work,
)

from lipsync.errors import StageError
from lipsync.media import probe, read_audio, write_audio
from lipsync.translation import translate
from lipsync.translation.mixing import RATE


def test_every_line_sounds_in_its_place(video: Path, output: Path) -> None:
    options, *_ = engines()
    result = translate(video, output, options)
    assert result.source == "en"
    assert [line[3] for line in result.lines] == ["gninrom doog", "uoy era woh", "uoy knaht"]
    track = read_audio(work(output) / "es" / "track.wav", RATE)
    assert len(track) == 5 * RATE
    level = np.sqrt(np.mean(read_audio(video, RATE)[RATE : round(1.4 * RATE)] ** 2))
    for line, row in zip(HEARD, rows(work(output) / "es" / "fit.json"), strict=True):
        heard = track[round((row["start"] + 0.1) * RATE) : round((row["end"] - 0.1) * RATE)]
        assert pitch(heard, RATE) == pytest.approx(hertz(line.text[::-1]), abs=8)
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(level, rel=0.1)
        assert abs(row["start"] - line.start) < 0.5
    assert not track[: round(0.4 * RATE)].any()


def test_a_recording_that_does_not_say_how_long_it_is(video: Path, output: Path) -> None:
    live = video.with_suffix(".mkv")
    with (
        live.open("wb") as file,
        av.open(str(video)) as old,
        av.open(SimpleNamespace(write=file.write), "w", format="matroska") as new,  # no seeking
    ):
        streams = [new.add_stream_from_template(stream) for stream in old.streams]
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    assert (probe(live).video_seconds, probe(live).audio_seconds) == (0, 0)
    options, *_ = engines()
    translate(live, output, options)
    track = read_audio(work(output) / "es" / "track.wav", RATE)
    assert len(track) / RATE == pytest.approx(5, abs=0.01)


def test_a_second_run_makes_nothing_and_loads_no_engine(video: Path, output: Path) -> None:
    options, heard, turned, spoken = engines()
    translate(video, output, options)
    again = translate(video, output, options)
    assert made(again) == {}
    assert (heard.calls, len(turned.seen), len(spoken.seen)) == (1, 3, 3)


def test_no_engine_is_asked_for_where_all_is_made_already(
    video: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, *_ = engines()
    translate(video, output, options)

    def missing(stage: str, *_: object) -> None:
        raise StageError(stage, "no engine here", "install one")

    monkeypatch.setattr("lipsync.translation.job.choose", missing)
    assert made(translate(video, output, options)) == {}
    folder = work(output) / "es"
    (folder / "speech/lines.json").unlink()  # now all count as the user's recordings
    assert made(translate(video, output, options)) == {}
    edit(folder / "translation.json", lambda text: text.replace('"uoy knaht"', '"gracias"', 1))
    with pytest.raises(StageError, match=r"^speak: no engine here; install one"):
        translate(video, output, options)


def test_a_translation_by_hand_needs_no_engine(
    video: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, *_ = engines(until="recognise")
    translate(video, output, options)
    lines = [
        {"start": line.start, "end": line.end, "source": line.text, "text": f"linea {k}"}
        for k, line in enumerate(HEARD)
    ]
    (work(output) / "es").mkdir(exist_ok=True)
    path = work(output) / "es/translation.json"
    path.write_text(json.dumps({"lines": lines[:2]}))
    options, *_ = engines(until="translate", translator="nllb:missing")
    monkeypatch.setattr("lipsync.translation.engines.NLLB.missing", lambda: "pip install it")
    with pytest.raises(StageError, match=r"^translate: nllb is not installed; pip install it"):
        translate(video, output, options)
    path.write_text(json.dumps({"lines": lines}))
    result = translate(video, output, options)
    assert [line[3] for line in result.lines] == ["linea 0", "linea 1", "linea 2"]


def test_a_corrected_line_changes_only_what_depends_on_it(video: Path, output: Path) -> None:
    options, _, turned, spoken = engines()
    translate(video, output, options)
    folder = work(output) / "es"
    before = {path.name: path.read_bytes() for path in (folder / "speech").glob("*.wav")}
    track = read_audio(folder / "track.wav", RATE)

    edit(folder / "translation.json", lambda text: text.replace('"uoy era woh"', '"que tal"', 1))
    result = translate(video, output, options)
    assert made(result) == {"speak": 1, "fit": 1}
    assert spoken.seen[3:] == ["que tal"]
    after = {path.name: path.read_bytes() for path in (folder / "speech").glob("*.wav")}
    assert [name for name in sorted(after) if after[name] != before[name]] == ["002.wav"]
    changed = np.flatnonzero(read_audio(folder / "track.wav", RATE) != track) / RATE
    assert changed.min() > 1.9
    assert changed.max() < 3.3
    assert result.lines[1][3] == "que tal"
    assert len(turned.seen) == 3


def test_a_corrected_transcript_line_is_translated_again(video: Path, output: Path) -> None:
    options, heard, turned, spoken = engines()
    translate(video, output, options)
    edit(
        work(output) / "transcript.json", lambda text: text.replace("how are you", "where are you")
    )
    result = translate(video, output, options)
    assert made(result) == {"translate": 1, "speak": 1, "fit": 1}
    assert turned.seen[3:] == ["where are you"]
    assert spoken.seen[3:] == ["uoy era erehw"]
    assert heard.calls == 1


def test_a_line_split_in_two_moves_the_others(video: Path, output: Path) -> None:
    options, _, turned, spoken = engines()
    translate(video, output, options)
    path = work(output) / "transcript.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    first = value["segments"][0]
    value["segments"][:1] = [
        first | {"end": 0.9, "text": "good"},
        first | {"start": 1.0, "text": "morning"},
    ]
    path.write_text(json.dumps(value), encoding="utf-8")
    result = translate(video, output, options)
    assert made(result) == {"translate": 2, "speak": 2, "fit": 1}
    assert turned.seen[3:] == ["good", "morning"]
    speech = work(output) / "es" / "speech"
    assert [row["text"] for row in rows(speech / "lines.json")] == spoken.seen[3:] + spoken.seen[
        1:3
    ]
    heard = read_audio(speech / "004.wav", RATE)
    assert pitch(heard, RATE) == pytest.approx(hertz("uoy knaht"), abs=3)


def test_one_s_own_recording_is_used_and_kept(video: Path, output: Path) -> None:
    options, *_ = engines()
    translate(video, output, options)
    recording = work(output) / "es" / "speech" / "003.wav"
    write_audio(recording, 0.2 * np.sin(np.arange(8000) * 2 * np.pi * 1000 / 16000), 16000)
    bytes_before = recording.read_bytes()
    other = engines(tts=Beeps("other engine"))[0]
    for run in (options, other):
        translate(video, output, run)
        assert recording.read_bytes() == bytes_before
    row = rows(work(output) / "es" / "fit.json")[2]
    track = read_audio(work(output) / "es" / "track.wav", RATE)
    heard = track[round((row["start"] + 0.05) * RATE) : round((row["end"] - 0.05) * RATE)]
    assert pitch(heard, RATE) == pytest.approx(1000, abs=8)

    # the line changes, so its recording is outdated: it is set aside, not deleted
    edit(work(output) / "es" / "translation.json", lambda text: text.replace("uoy knaht", "adios"))
    result = translate(video, output, options)
    assert "kept as" in result.notes[0]
    assert (recording.parent / "set_aside" / "003.wav").read_bytes() == bytes_before


def test_a_correction_is_kept_where_its_source_changes_and_said(video: Path, output: Path) -> None:
    options, *_ = engines()
    translate(video, output, options)
    translation = work(output) / "es" / "translation.json"
    edit(translation, lambda text: text.replace('"uoy knaht"', '"gracias"', 1))
    edit(work(output) / "transcript.json", lambda text: text.replace("thank you", "thank you all"))
    result = translate(video, output, options)
    assert result.lines[2][2:] == ("thank you all", "gracias")
    assert "line 3 was corrected by hand and is kept" in result.notes[0]
    other = engines(translator=Reverses("another"))[0]
    assert translate(video, output, other).lines[2][3] == "gracias"


def test_a_correction_without_a_line_is_set_aside(video: Path, output: Path) -> None:
    options, *_ = engines()
    translate(video, output, options)
    translation = work(output) / "es" / "translation.json"
    edit(translation, lambda text: text.replace('"uoy knaht"', '"gracias"', 1))
    path = work(output) / "transcript.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value["segments"].pop()
    path.write_text(json.dumps(value), encoding="utf-8")
    for _ in range(2):
        translate(video, output, options)
        assert [row["text"] for row in rows(translation, "set_aside")] == ["gracias"]


def test_a_line_that_is_emptied_is_silent(video: Path, output: Path) -> None:
    options, *_ = engines()
    translate(video, output, options)
    folder = work(output) / "es"
    edit(folder / "translation.json", lambda text: text.replace('"uoy era woh"', '""', 1))
    translate(video, output, options)
    track = read_audio(folder / "track.wav", RATE)
    assert not track[round(1.8 * RATE) : round(3.4 * RATE)].any()
    assert not (folder / "speech" / "002.wav").exists()
    assert (folder / "speech" / "003.wav").exists()


def test_an_interrupted_run_goes_on(video: Path, output: Path) -> None:
    options, *_ = engines(translator=Reverses(fail_at=2))
    with pytest.raises(KeyboardInterrupt):
        translate(video, output, options)
    options, heard, turned, _ = engines()
    translate(video, output, options)
    assert heard.calls == 0
    assert turned.seen == ["thank you"]


def test_another_engine_makes_its_own(video: Path, output: Path) -> None:
    translate(video, output, engines()[0])
    result = translate(video, output, engines(tts=Beeps("other", 0.06))[0])
    assert made(result) == {"speak": 3, "fit": 1}
    result = translate(video, output, engines(translator=Reverses("other"))[0])
    assert made(result)["translate"] == 3


def test_one_work_folder_serves_several_languages(video: Path, output: Path) -> None:
    options, heard, *_ = engines()
    translate(video, output, options)
    french = engines(asr=heard)[0]
    french = type(french)(**(vars(french) | {"to": "fr"}))
    translate(video, output, french)
    assert heard.calls == 1
    assert (work(output) / "fr" / "track.wav").exists()
    assert (work(output) / "es" / "track.wav").exists()


def test_until_stops_after_each_stage(video: Path, output: Path) -> None:
    seen = []
    for stage in ("recognise", "translate", "speak", "voice", "fit"):
        result = translate(video, output, engines(until=stage)[0])
        assert result.output is None
        seen.append(made(result))
    assert seen == [{"recognise": 1}, {"translate": 3}, {"speak": 3}, {}, {"fit": 1}]


class Louder:
    """A voice that returns the line at half its level, and records its references."""

    name = "louder"

    def __init__(self) -> None:
        self.references = []

    def convert(self, wave: np.ndarray, rate: int, reference: np.ndarray) -> np.ndarray:
        self.references.append(len(reference) / rate)
        return wave / 2


def test_the_voice_hears_the_original_and_is_made_again_for_one_line(
    video: Path, output: Path
) -> None:
    voice = Louder()
    options, *_ = engines(voice=voice)
    result = translate(video, output, options)
    assert voice.references == [pytest.approx(3.0, abs=0.01)] * 3  # all three lines of a second
    assert made(result)["voice"] == 3
    edit(work(output) / "es" / "translation.json", lambda t: t.replace('"uoy era woh"', '"si"', 1))
    assert made(translate(video, output, options)) == {"speak": 1, "voice": 1, "fit": 1}


def test_the_background_is_kept(tmp_path: Path, output: Path) -> None:
    video = make_talk(tmp_path / "talk.mp4")
    translate(video, output, engines(background=1.0)[0])
    quiet = read_audio(work(output) / "es" / "track.wav", RATE)[: round(0.3 * RATE)]
    assert np.abs(quiet).max() < 0.01  # no speech before the first line
