"""Other tracks never abort a dub: damaged, empty, attached, without timestamps."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from dubbing_media import SIZE, frame, tiny_dub, tone
from films import SOUNDS, audio, film, pitch, subtitles

from lipsync.media import Streams, kept, read_audio, write_audio
from lipsync.media.files import demuxed

GERMAN, SPANISH = 2, 3  # indices in a film of SOUNDS


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    write_audio(tmp_path / "speech.wav", tone(1.6))
    return tmp_path / "speech.wav"


def damaged(path: Path, index: int, skip: int = 0) -> Path:
    """The film with noise in the packets of a track, after the first ``skip``."""
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(0)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(container.streams[index])]
    for raw in filter(None, packets[skip:]):
        at = data.index(raw)
        data[at : at + len(raw)] = rng.integers(0, 256, len(raw), np.uint8).tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("index", "skip"), [(GERMAN, 10), (SPANISH, 0)])
def test_damage_in_another_track_does_not_end_a_dub(tmp_path, speech, index, skip, suffix):
    path = damaged(film(tmp_path / "film.mkv", SOUNDS, default=0), index, skip)
    out = tmp_path / f"out{suffix}"
    result = tiny_dub(path, speech, out)
    assert len(audio(out)) == 3
    assert len(read_audio(out)) / 16_000 == pytest.approx(1.6, abs=0.05)
    whole, sine = (1, 500) if index == SPANISH else (2, 800)
    assert pitch(out, whole) == pytest.approx(sine, abs=3)
    if (index, suffix) == (SPANISH, ".mp4"):
        assert result.left_out == ["audio 2 (spa, flac mono) from 0.00 s: it is damaged"]
        assert not read_audio(out, streams=Streams(audio=2)).any()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_track_that_is_announced_and_never_comes(tmp_path, speech, suffix):
    path = film(tmp_path / "film.mkv", SOUNDS[:2], default=0)
    with av.open(str(path)) as given, av.open(str(tmp_path / "film.ts"), "w") as made:
        streams = {one.index: made.add_stream_from_template(one) for one in given.streams}
        for packet in given.demux():
            if packet.size and packet.stream.index != GERMAN:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    result = tiny_dub(tmp_path / "film.ts", speech, tmp_path / f"out{suffix}")
    assert result.left_out == ["audio 1 (ac3 0 channels): it is empty"]
    assert len(audio(tmp_path / f"out{suffix}")) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_two_tracks_of_subtitles_keep_their_own_lines(tmp_path, speech, suffix):
    path = film(tmp_path / "film.mkv", default=0, subtitles="subrip ass")
    out = tmp_path / f"out{suffix}"
    assert tiny_dub(path, speech, out).left_out == []
    first, second = ([row[2] for row in subtitles(out, number)] for number in (0, 1))
    assert ["Hello" in first[0], "dut: Hello" in second[0]] == [True, True]
    assert not any("dut" in text for text in first)
    assert len(first) == len(second) == 3


def test_a_track_that_lags_in_the_file_is_whole(tmp_path, speech, monkeypatch):
    """Packets of one track past the end of the dub do not block the rest of another."""

    def one_by_one(container, *streams):
        packets = [packet for packet in demuxed(container, *streams) if packet.size]
        return iter(sorted(packets, key=lambda packet: packet.stream.index))

    monkeypatch.setattr(kept, "demuxed", one_by_one)
    path = film(tmp_path / "film.mkv", SOUNDS, default=0)
    tiny_dub(path, speech, tmp_path / "out.mkv")
    for number in (1, 2):
        wave = read_audio(tmp_path / "out.mkv", streams=Streams(audio=number))
        assert len(wave) / 16_000 == pytest.approx(1.6, abs=0.1)


def test_fonts_stay_in_mkv(tmp_path, speech):
    font = b"\0\1\0\0" + bytes(range(256))
    path = film(tmp_path / "film.mkv", default=0, subtitles="ass", font=font)
    result = tiny_dub(path, speech, tmp_path / "out.mkv")
    assert result.beside[-1] == "1 attachment"
    with av.open(str(tmp_path / "out.mkv")) as container:
        (attached,) = container.streams.attachments
        assert (attached.name, attached.mimetype, attached.data) == ("a.ttf", "font/ttf", font)
    assert tiny_dub(path, speech, tmp_path / "out.mp4").left_out == ["1 attachment"]


def test_tags_of_the_camera_do_not_hide_the_comment(tmp_path, speech):
    """mp4 stores either the tags that players know or arbitrary ones, never both."""
    path = tmp_path / "phone.mp4"
    movflags = {"movflags": "+use_metadata_tags"}
    with av.open(str(path), "w", options=movflags) as container:
        container.metadata.update({"com.android.version": "14", "title": "Anna", "Rating": "5"})
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for k in range(45):
            picture = av.VideoFrame.from_ndarray(frame(k), format="rgb24")
            picture.pts, picture.time_base = k, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    result = tiny_dub(path, speech, tmp_path / "out.mp4")
    assert result.left_out == ["tags rating"]
    written = (tmp_path / "out.mp4").read_bytes()
    assert b"\xa9cmt" in written
    assert b"\xa9nam" in written
    assert b"android" not in written


def test_a_stream_without_times(tmp_path, speech):
    path = tmp_path / "bare.h264"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for k in range(45):
            picture = av.VideoFrame.from_ndarray(frame(k), format="rgb24")
            picture.pts, picture.time_base = k, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    result = tiny_dub(path, speech, tmp_path / "out.mp4")
    assert (result.beside, result.left_out) == ([], [])
    assert result.seconds == pytest.approx(1.6, abs=0.04)
