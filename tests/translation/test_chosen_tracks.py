"""A video with several audio tracks: which of them is translated."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from translation_media import RATE, Hears, engines, made, pitch, tone, work

import lipsync.dubbing
from lipsync.errors import ConfigError, MediaError
from lipsync.media import write_audio
from lipsync.translation import Options, translate


class Listens(Hears):
    """A recogniser that remembers what it heard."""

    def recognise(self, wave, language, share):
        self.wave = wave
        return super().recognise(wave, language, share)


@pytest.fixture
def film(tmp_path: Path, video: Path) -> Path:
    """The talk in English, and 400 Hz throughout in German."""
    write_audio(tmp_path / "other.wav", tone(5, 400.0))
    path = tmp_path / "film.mkv"
    with (
        av.open(str(video)) as talk,
        av.open(str(tmp_path / "other.wav")) as other,
        av.open(str(path), "w") as new,
    ):
        pairs = [
            (given, [new.add_stream_from_template(stream) for stream in given.streams])
            for given in (talk, other)
        ]
        for stream, language in zip(pairs[0][1][1:] + pairs[1][1], ("eng", "ger"), strict=True):
            stream.metadata["language"] = language
        for given, streams in pairs:
            for packet in given.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    new.mux(packet)
    return path


def test_the_chosen_sound_is_heard_and_replaced(film: Path, output: Path, monkeypatch) -> None:
    asked = {}

    def dub(face, audio, target, progress=None, **options):
        asked.update(options)
        Path(target).write_bytes(b"video")
        return SimpleNamespace(left_out=["chapters"])

    monkeypatch.setattr(lipsync.dubbing, "dub", dub)
    heard = Listens()
    options, *_ = engines(asr=heard, audio_stream="de", until="lips")
    result = translate(film, output, options)
    assert pitch(heard.wave[RATE : 2 * RATE], RATE) == pytest.approx(400, abs=3)
    assert len(heard.wave) == pytest.approx(5 * RATE, abs=100)
    assert (asked["audio_stream"], asked["audio_language"]) == ("de", "es")
    assert "video_stream" not in asked
    assert "not kept: chapters" in result.notes
    assert made(translate(film, output, options)) == {}
    # another track gives another transcript, in the same work folder
    options, *_ = engines(asr=heard, audio_stream=0)
    assert made(translate(film, output, options))["recognise"] == 1
    assert not heard.wave[: RATE // 4].any()
    assert (work(output) / "transcript.json").exists()


def test_a_sound_that_is_not_there(film: Path, output: Path) -> None:
    options, *_ = engines(audio_stream="fra")
    with pytest.raises(MediaError, match=r"no audio track fra; there are: 0 \(eng, .*1 \(deu, "):
        translate(film, output, options)
    assert not work(output).exists()
    with pytest.raises(ConfigError, match="`adapt` uses the default tracks"):
        Options(to="es", adapt=True, audio_stream="de")
