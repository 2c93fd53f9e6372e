"""Frames in display order with their timestamps, for any memory limit."""

import tracemalloc
from collections import Counter
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from dubbing_media import SIZE, corner_number, frame, make_variable, make_video

from lipsync.dubbing import rewind
from lipsync.dubbing.playback import Playback, continuation
from lipsync.dubbing.source import open_source, own_rate
from lipsync.errors import MediaError
from lipsync.media import frames as frames_module


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ("pingpong", [2, 1, 0, 1, 2, 3, 2]),
        ("loop", [0, 1, 2, 3, 0, 1, 2]),
        ("freeze", [3, 3, 3, 3, 3, 3, 3]),
        ("trim", []),
    ],
)
def test_how_a_source_goes_on(length, expected):
    assert list(islice(continuation(4, length), 7)) == expected
    assert list(islice(continuation(1, length), 3)) == ([0, 0, 0] if expected else [])


@pytest.mark.parametrize("length", ["pingpong", "loop", "freeze"])
@pytest.mark.parametrize("held", [8, 10_000])
def test_frames_come_in_the_order_asked_for(tmp_path, monkeypatch, length, held):
    monkeypatch.setattr(rewind, "_HELD_BYTES", held * 3 * SIZE[0] * SIZE[1])
    playback = Playback(open_source(make_video(tmp_path / "v.mp4", 21)), 3.6, length)
    shown = list(playback)
    assert playback.expected() == (90, 3.6)
    assert [s.index for s in shown] == [*range(21), *islice(continuation(21, length), 69)]
    assert [corner_number(s.picture) for s in shown] == [s.index for s in shown]
    assert [s.start for s in shown] == [k / 25 for k in range(90)]
    assert (playback.frames, playback.longer) == (21, False)


def make_groups(path: Path, frames: int, group: int) -> Path:
    """A video of :func:`frame` with a key frame every ``group`` frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": "1", "g": str(group), "sc_threshold": "0"}
        for k in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(k), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def decodings(monkeypatch) -> Counter:
    """How often each frame is decoded, by its time."""
    counts, decoded = Counter(), frames_module.decoded

    def counting(*arguments, **options):
        for one in decoded(*arguments, **options):
            counts[one.pts] += 1
            yield one

    monkeypatch.setattr(frames_module, "decoded", counting)
    return counts


@pytest.mark.parametrize("fps", [None, 50])
@pytest.mark.parametrize(("held", "group"), [(10, 250), (10, 7), (30, 7), (100, 250)])
@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_there_and_back_each_frame_is_decoded_twice(
    tmp_path, monkeypatch, decodings, name, held, group, fps
):
    monkeypatch.setattr(rewind, "_HELD_BYTES", held * 3 * SIZE[0] * SIZE[1])
    source = open_source(make_groups(tmp_path / name, 40, group), fps=fps)
    turns, count = 5, 40 if fps is None else 80
    shown = list(Playback(source, (count + (turns - 1) * (count - 1)) / source.fps, "pingpong"))
    assert [s.index for s in shown[count:]] == [
        *islice(continuation(count, "pingpong"), len(shown) - count)
    ]
    if fps is None:
        assert [corner_number(s.picture) for s in shown] == [s.index for s in shown]
    first = {s.index: s.picture for s in shown[:count]}
    assert all(np.array_equal(s.picture, first[s.index]) for s in shown[count:])
    assert len(decodings) == 40
    assert max(decodings.values()) <= turns


def test_playing_backwards_takes_no_more_memory_for_a_longer_group(tmp_path, monkeypatch):
    monkeypatch.setattr(rewind, "_HELD_BYTES", 10 * 3 * SIZE[0] * SIZE[1])
    peaks = []
    for frames in (40, 200):
        source = open_source(make_groups(tmp_path / f"{frames}.mp4", frames, 250))
        tracemalloc.start()
        for _ in Playback(source, (2 * frames - 1) / 25, "pingpong"):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1] / (3 * SIZE[0] * SIZE[1]))
        tracemalloc.stop()
    assert max(peaks) < 16  # frames, with a limit of ten


def test_without_room_for_a_group_it_is_decoded_in_lots(tmp_path, monkeypatch, decodings):
    monkeypatch.setattr(rewind, "_HELD_BYTES", 10 * 3 * SIZE[0] * SIZE[1])
    monkeypatch.setattr(rewind, "has_room", lambda size: size < 20 * 3 * SIZE[0] * SIZE[1])
    source = open_source(make_groups(tmp_path / "v.mp4", 30, 250))
    shown = list(Playback(source, 59 / 25, "pingpong"))
    assert [corner_number(s.picture) for s in shown] == [*range(30), *range(28, -1, -1)]
    assert decodings[5 * 512] == 3  # once forwards, once for 19 to 28, and once with the rest


@pytest.mark.parametrize("keep", [False, True])
def test_a_source_that_lasts_longer(tmp_path, keep):
    source = open_source(make_video(tmp_path / "v.mp4", 21))
    playback = Playback(source, 0.5, "pingpong", keep)
    numbers = [s.index for s in playback]
    assert numbers == list(range(21 if keep else 12))  # 12.5 frames, to the even
    assert playback.longer
    assert playback.expected()[0] == len(numbers)


def test_variable_times_are_kept_and_the_last_frame_ends_with_the_sound(tmp_path):
    times = [0, 0.04, 0.1, 0.11, 0.3, 0.34, 0.5]
    source = open_source(make_variable(tmp_path / "v.mkv", times))
    assert source.variable
    shown = list(Playback(source, 0.4, "pingpong"))
    assert [s.start for s in shown] == pytest.approx(times[:6], abs=1e-3)
    assert shown[-1].start + shown[-1].seconds == pytest.approx(0.4)
    shown = list(Playback(source, 0.9, "pingpong"))
    assert [s.index for s in shown][7:] == [5, 4, 3][: len(shown) - 7]
    for a, b in pairwise(shown):
        assert a.start + a.seconds == pytest.approx(b.start)
    assert shown[-1].start + shown[-1].seconds == pytest.approx(0.9)


def test_the_rate_of_times():
    ntsc = Fraction(30000, 1001)
    k = np.arange(500)
    assert own_rate(k / float(ntsc), ntsc) == (ntsc, False)
    assert own_rate(np.round(k / float(ntsc), 3), ntsc) == (ntsc, False)  # as Matroska rounds
    assert own_rate(5 + k / 25, Fraction(24)) == (25, False)  # the container's rate is wrong
    rate, variable = own_rate(np.delete(k / 25, 100), Fraction(25))  # one frame is missing
    assert variable
    assert float(rate) == pytest.approx(24.95, abs=0.01)


def test_a_picture_is_one_frame_at_any_rate(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "face.png"), frame(3)[..., ::-1])
    source = open_source(tmp_path / "face.png", fps=12)
    assert (source.fps, source.size) == (Fraction(12), SIZE)
    shown = list(Playback(source, 0.25, "pingpong"))
    assert len(shown) == 3
    np.testing.assert_array_equal(shown[2].picture, frame(3))


def test_a_video_brought_to_another_rate(tmp_path):
    source = open_source(make_video(tmp_path / "v.mp4", 20), fps=12.5)
    assert [corner_number(s.picture) for s in Playback(source, 0.8, "freeze")][:9] == [
        *range(0, 18, 2)
    ]


@pytest.mark.parametrize("fps", [12.5, Fraction(30000, 1001), 60])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_backwards_at_another_rate_is_forwards_reversed(tmp_path, monkeypatch, fps, suffix):
    monkeypatch.setattr(rewind, "_HELD_BYTES", 10 * 3 * SIZE[0] * SIZE[1])
    path = make_video(tmp_path / f"v{suffix}", 37)
    variable = make_variable(tmp_path / f"w{suffix}", [0, 0.04, 0.1, 0.11, 0.3, 0.34, 0.5, 0.52])
    for given in (path, variable):
        source = open_source(given, fps=fps)
        whole = [frame for _, frame in source.frames()]
        shown = list(Playback(source, (2 * len(whole) - 1) / source.fps, "pingpong"))
        assert [s.index for s in shown][len(whole) :] == [*range(len(whole) - 2, -1, -1)]
        for s in shown:
            np.testing.assert_array_equal(s.picture, whole[s.index])


def test_sound_alone_is_no_face(sound):
    with pytest.raises(MediaError, match=r"sound\.wav: contains no video"):
        open_source(sound)


@pytest.mark.parametrize("length", ["pingpong", "loop", "freeze"])
def test_recordings_that_were_joined_go_on_where_the_clock_is_set_back(tmp_path, length):
    late, early = tmp_path / "late.ts", tmp_path / "early.ts"
    for path, start in ((late, 30), (early, 0)):
        with av.open(str(path), "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            for k in range(10):
                picture = av.VideoFrame.from_ndarray(frame(k + start // 10), format="rgb24")
                picture.pts, picture.time_base = k + 25 * start, Fraction(1, 25)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(late.read_bytes() + early.read_bytes())
    source = open_source(joined, tolerate_damage=True)  # its packet times are useless
    starts = [start for start, _ in source.frames()]
    assert len(starts) == 20
    assert np.abs(starts - np.arange(20) / 25).max() < 0.005
    shown = list(islice(Playback(source, 1.4, length), 100))
    assert len(shown) < 100
    assert all(one.seconds > 0 for one in shown)
    assert shown[-1].start + shown[-1].seconds == pytest.approx(1.4, abs=0.05)
