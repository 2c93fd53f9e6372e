"""Files with several tracks: the tracks read, and those that a dub keeps."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from dubbing_media import SIZE, corner_number, frame, make_video, tiny_dub, tone
from films import LINES, SOUNDS, audio, film, pitch, subtitles

from lipsync.dubbing.pipeline import generator_name
from lipsync.errors import MediaError
from lipsync.languages import track_code
from lipsync.media import KeptTracks, Streams, probe, read_audio, read_frames, write_audio
from lipsync.media.captions import SubtitleConversion


def plain(text: str) -> str:
    return text.replace("<i>", "").replace("</i>", "")


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    write_audio(tmp_path / "speech.wav", tone(1.6))
    return tmp_path / "speech.wav"


# ---------------------------------------------------------------- tracks read


def test_the_sound_is_that_of_the_chosen_track(tmp_path):
    path = film(tmp_path / "film.mkv", SOUNDS, default=1)
    assert pitch(path, 0) == pytest.approx(300, abs=3)
    usual = read_audio(path, 16_000)[1600:14400]
    assert np.abs(np.fft.rfft(usual)).argmax() * 16_000 / len(usual) == pytest.approx(500, abs=3)
    for name in ("deu", "ger", "de", "German", 1, "1"):
        assert pitch(path, name) == pytest.approx(500, abs=3)


def test_a_dub_takes_the_chosen_track_of_a_sound_file_with_several(tmp_path):
    path = film(tmp_path / "film.mkv", SOUNDS, default=0)
    face = make_video(tmp_path / "face.mp4", 50)
    tiny_dub(face, path, tmp_path / "out.mkv", audio_stream="es")
    assert pitch(tmp_path / "out.mkv", 0) == pytest.approx(800, abs=3)
    # the video with another of its own tracks: that one appears once, beside the others
    result = tiny_dub(path, path, tmp_path / "own.mkv", audio_stream=1)
    assert [round(pitch(tmp_path / "own.mkv", k), -2) for k in range(3)] == [500, 300, 800]
    assert result.sound == "copied"
    assert len(audio(tmp_path / "own.mkv")) == 3


def test_a_dub_takes_the_chosen_video(tmp_path, speech):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = *SIZE, "yuv420p"
            track.options = {"crf": "1"}
        for k in range(45):
            for number, track in enumerate(tracks):
                shown = frame(k if number == 0 else 39 - k % 40)
                picture = av.VideoFrame.from_ndarray(shown, format="rgb24")
                picture.pts, picture.time_base = k, Fraction(1, 25)
                container.mux(track.encode(picture))
        for track in tracks:
            container.mux(track.encode(None))
    result = tiny_dub(path, speech, tmp_path / "out.mkv", video_stream=1)
    assert corner_number(next(read_frames(tmp_path / "out.mkv"))[1]) == 39
    assert result.left_out == ["video 0 (h264 96x80): one is written"]
    tiny_dub(path, speech, tmp_path / "out.mkv")
    assert corner_number(next(read_frames(tmp_path / "out.mkv"))[1]) == 0


def test_a_track_that_is_not_there_is_one_line_that_lists_those_that_are(tmp_path, speech):
    path = film(tmp_path / "film.mkv", SOUNDS, default=0)
    there = "0 (eng, aac stereo, default), 1 (deu, ac3 5.1(side)), 2 (spa, flac mono)"
    for name in ("fra", 3, "7", "klingon"):
        for given in ((path, speech), (path, path)):
            with pytest.raises(MediaError) as caught:
                tiny_dub(*given, tmp_path / "out.mkv", audio_stream=name)
            line = f"{path}: has no audio track {name}; there are: {there}; name one of these"
            assert line in str(caught.value)
    with pytest.raises(MediaError, match=r"no video track 1; there are: 0 \(h264 96x80"):
        tiny_dub(path, speech, tmp_path / "out.mkv", video_stream=1)
    silent = make_video(tmp_path / "silent.mp4", 50)
    with pytest.raises(MediaError, match="no audio track 0; there are: none"):
        tiny_dub(silent, speech, tmp_path / "out.mkv", audio_stream=0)
    assert not (tmp_path / "out.mkv").exists()


# ---------------------------------------------------------------- tracks kept


@pytest.mark.parametrize(
    ("suffix", "german", "spanish"),
    [(".mkv", "ac3", "flac"), (".mp4", "ac3", "aac"), (".webm", "opus", "opus")],
)
def test_other_tracks_are_kept(tmp_path, speech, suffix, german, spanish):
    path = film(tmp_path / "film.mkv", SOUNDS, default=0, subtitles="subrip")
    out = tmp_path / f"out{suffix}"
    result = tiny_dub(path, speech, out, audio_language="it", tail="cut")
    (_, *others) = tracks = audio(out)
    assert tracks[0][0] == "ita"
    assert [default for *_, default in tracks] == [True, False, False]
    kept = [(track_code(language), codec) for language, codec, *_ in others]
    assert kept == [("deu", german), ("spa", spanish)]
    assert others[0][2].startswith("5.1")  # same number of channels
    assert pitch(out, 1) == pytest.approx(500, abs=3)
    assert pitch(out, 2) == pytest.approx(800, abs=3)
    for number in (1, 2):  # they end with the video
        ends = len(read_audio(out, 16_000, streams=Streams(audio=number))) / 16_000
        assert ends == pytest.approx(1.6, abs=0.04)
    assert result.beside[0].startswith("audio 1 (deu, ac3 5.1(side))")
    assert result.beside[0].endswith(" as opus") == (german != "ac3")
    assert result.left_out == []
    assert "kept: audio 1 (deu" in str(result)
    expected = [
        (a, min(b, 1.6), text.replace("<i>", "").replace("</i>", "")) for a, b, text in LINES
    ]
    if suffix == ".mkv":
        expected[0] = LINES[0]
    found = subtitles(out)
    assert [text for *_, text in found] == [text for *_, text in expected]
    np.testing.assert_allclose([row[:2] for row in found], [row[:2] for row in expected], atol=2e-3)
    with av.open(str(out)) as container:
        chapters = [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"])
            for c in container.chapters()
        ]
        tags = {key.lower(): value for key, value in container.metadata.items()}
    assert chapters == [(0, 1.2, {"title": "One"}), (1.2, 1.6, {"title": "Two"})]
    assert tags["title"] == "The film"
    assert tags["comment"].startswith("Synthetic video: ")
    assert tags["comment"].endswith("\nFrom tape")
    assert generator_name(out) == "Hearing"


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize("codec", ["ass", "mov_text", "webvtt"])
def test_text_subtitles_become_those_of_the_container(tmp_path, speech, codec, suffix):
    path = film(
        tmp_path / f"film.{'mp4' if codec == 'mov_text' else 'mkv'}", default=0, subtitles=codec
    )
    result = tiny_dub(path, speech, tmp_path / f"out{suffix}")
    assert result.left_out == []
    texts = [text for *_, text in subtitles(tmp_path / f"out{suffix}")]
    texts = [text.split(",,")[-1].replace("\\N", "\n") for text in texts]  # of ass
    assert [plain(text) for text in texts] == [plain(text) for *_, text in LINES]


def test_webvtt_escapes_what_is_its_markup():
    packet = av.Packet(b"<i>Tom</i> & Ann <3")
    packet.time_base = Fraction(1, 1000)
    made = SubtitleConversion("subrip", "webvtt").packet(packet)
    assert bytes(made) == b"Tom &amp; Ann &lt;3"
    assert bytes(SubtitleConversion("webvtt", "subrip").packet(made)) == b"Tom & Ann <3"


def test_what_a_container_cannot_hold_is_told(tmp_path, speech):
    path = film(tmp_path / "film.mkv", SOUNDS[:1], default=0, subtitles="subrip")
    kept = KeptTracks(path, tmp_path / "out.mxf")
    subtitles = "subtitles 0 (fra, subrip): .mxf does not take them"
    assert (kept.kept, kept.left_out) == ([], [subtitles, "2 chapters", "tags title"])
    video = make_video(tmp_path / "plain.mp4", 45)
    result = tiny_dub(video, speech, tmp_path / "out.mp4")
    assert (result.beside, result.left_out) == ([], [])


def test_a_late_picture_keeps_other_tracks_in_step(tmp_path, speech):
    """Sound and subtitles are on the clock of the first frame, whatever its timestamp."""
    path = film(tmp_path / "film.mkv", SOUNDS, default=0, subtitles="subrip")
    late = tmp_path / "late.mkv"
    with av.open(str(path)) as given, av.open(str(late), "w") as container:
        streams = {s.index: container.add_stream_from_template(s) for s in given.streams}
        for packet in given.demux():
            if packet.size:
                step = packet.time_base
                shift = 0.4 if packet.stream.type == "video" else 0.0
                packet.pts += round(shift / step)
                packet.dts += round(shift / step)
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    tiny_dub(late, speech, tmp_path / "out.mkv")
    found = subtitles(tmp_path / "out.mkv")
    assert [text for *_, text in found] == [text for *_, text in LINES]
    np.testing.assert_allclose([row[:2] for row in found[:2]], [(0, 0.1), (0.2, 0.5)], atol=2e-3)
    assert probe(tmp_path / "out.mkv").has_audio


def test_a_stretch_replaces_the_chosen_sound(tmp_path, speech):
    path = film(tmp_path / "film.mkv", SOUNDS, default=0)
    write_audio(tmp_path / "word.wav", tone(0.4))
    out = tmp_path / "out.mkv"
    tiny_dub(path, tmp_path / "word.wav", out, start=1.2, audio_stream="deu")
    wave = read_audio(out, 16_000)[1600:14400]
    assert np.abs(np.fft.rfft(wave)).argmax() * 16_000 / len(wave) == pytest.approx(500, abs=3)
    assert [language for language, *_ in audio(out)][1:] == ["eng", "spa"]
