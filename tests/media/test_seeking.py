"""Seeking in any container: frames equal those of decoding from the start."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import grey, numbers

from lipsync.dubbing.playback import LENGTHS, Playback, continuation
from lipsync.dubbing.source import open_source
from lipsync.media import read_frames

_OPEN = {"g": "12", "x264-params": "open-gop=1:bframes=3:b-adapt=0"}
_HEVC = {"x265-params": "log-level=none:keyint=12:open-gop=1"}
KINDS = {
    "a.avi": ("mpeg4", {"bf": "2"}),
    "a.flv": ("flv", {}),
    "a.gif": ("gif", {}),
    "a.webm": ("libvpx", {"deadline": "realtime", "cpu-used": "8"}),
    "a.ts": ("libx264", {"g": "12"}),  # a seek lands between its key frames
    "hevc.ts": ("libx265", _HEVC),
    "a.mxf": ("mpeg2video", {"bf": "2"}),
    "a.mpg": ("mpeg2video", {"bf": "2"}),
    "a.mjpeg": ("mjpeg", {}),
    "open.mkv": ("libx264", _OPEN),  # frames before a key frame need the previous GOP
    "a.h264": ("libx264", {}),  # no timestamps at all
}
_PIXELS = {"gif": "rgb8", "mjpeg": "yuvj420p"}


@pytest.fixture(scope="module", params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 numbered frames twice, one second each."""
    codec, options = KINDS[request.param]
    path = tmp_path_factory.mktemp("any") / request.param
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height = size = (720, 576) if path.suffix == ".mxf" else (64, 48)
        video.pix_fmt, video.options = _PIXELS.get(codec, "yuv420p"), options
        video.bit_rate = 2_000_000
        for k in range(50):
            frame = av.VideoFrame.from_ndarray(grey(k % 25, size), format="rgb24")
            frame = frame.reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize("start", [0, 1, 13, 30, 49])
def test_frames_from_anywhere_are_those_of_the_whole(path: Path, start: int) -> None:
    whole = list(read_frames(path))
    sought = list(read_frames(path, start=whole[start][0]))
    assert [time for time, _ in sought] == [time for time, _ in whole[start:]]
    assert numbers(frame for _, frame in sought) == [k % 25 for k in range(start, 50)]
    for (_, frame), (_, wanted) in zip(sought, whole[start:], strict=True):
        np.testing.assert_array_equal(frame, wanted)


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_of_a_dub(path: Path, length: str) -> None:
    shown = list(Playback(open_source(path), 4.0, length))
    wanted = [*range(50), *islice(continuation(50, length), 50)]
    assert len(wanted) == (50 if length == "trim" else 100)
    assert numbers(s.picture for s in shown) == [k % 25 for k in wanted]
