"""Saved boxes: written once, reused for the frames they cover, refused for others."""

import json
from pathlib import Path

import numpy as np
import pytest
from dubbing_media import BOX, SIZE, FixedDetector, Hearing, tiny_dub, tone

from lipsync.dubbing import dub_frames
from lipsync.errors import MediaError
from lipsync.media import read_frames, write_audio


class Blind(FixedDetector):
    def detect(self, picture):
        raise AssertionError("it is known where the face is")


def test_tracks_are_written_once_and_used_again(tmp_path, video, sound):
    tracks = tmp_path / "tracks.json"
    first = tiny_dub(video, sound, tmp_path / "a.mp4", tracks=tracks)
    assert first.tracks == tracks
    again = tiny_dub(video, sound, tmp_path / "b.mp4", tracks=tracks, detector=Blind())
    assert (again.tracks, again.faces_found) == (None, 25)
    for (_, a), (_, b) in zip(
        read_frames(tmp_path / "a.mp4"), read_frames(tmp_path / "b.mp4"), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("which", ["largest", "sync"])
def test_tracks_of_a_shorter_dub_do_not_leave_the_rest_undubbed(tmp_path, video, sound, which):
    tracks, out = tmp_path / "tracks.json", tmp_path / "out.mp4"
    write_audio(tmp_path / "short.wav", tone(0.4))
    tiny_dub(video, tmp_path / "short.wav", out, tracks=tracks)
    out.unlink()
    options = {"tracks": tracks, "faces": which, "detector": Blind()}
    options |= {"reference": sound} if which == "sync" else {}
    with pytest.raises(MediaError, match=r"tracks\.json: its tracks end at frame 9, .*delete it"):
        tiny_dub(video, sound, out, **options)
    assert not out.exists()
    assert tiny_dub(video, tmp_path / "short.wav", out, **options).faces_found == 10
    tracks.unlink()
    tiny_dub(video, sound, out, tracks=tracks)
    assert json.loads(tracks.read_text())["frames"] == 25


def test_tracks_of_another_rate_are_refused(tmp_path, video, sound):
    own, new = tmp_path / "own.json", tmp_path / "new.json"
    tiny_dub(video, sound, tmp_path / "a.mp4", tracks=own)
    tiny_dub(video, sound, tmp_path / "b.mp4", tracks=new, fps=29.97)
    with pytest.raises(
        MediaError, match="are of the video's own frames, but this dub has 50 frames"
    ):
        tiny_dub(video, sound, tmp_path / "c.mp4", tracks=own, fps=50)
    with pytest.raises(MediaError, match=r"of 29\.97 frames a second, but this dub has the video"):
        tiny_dub(video, sound, tmp_path / "c.mp4", tracks=new)
    again = tiny_dub(video, sound, tmp_path / "b.mp4", tracks=new, fps=29.97, detector=Blind())
    assert again.faces_found == 30


def test_tracks_by_hand_need_no_more_than_looks(tmp_path, video, sound):
    tracks = tmp_path / "tracks.json"
    looks = [[number, [BOX.tolist()]] for number in (0, 5, 10)]
    tracks.write_text(json.dumps({"size": SIZE, "looks": looks}))
    result = tiny_dub(video, sound, tmp_path / "out.mp4", tracks=tracks, detector=Blind(), fps=25)
    assert result.faces_found >= 10
    assert result.frames == 25


def test_frames_alone_write_their_tracks_too(tmp_path, video, sound):
    options = {"model": Hearing(), "detector": FixedDetector(), "tracks": tmp_path / "t.json"}
    assert len(list(dub_frames(video, sound, **options))) == 25
    assert len(json.loads((tmp_path / "t.json").read_text())["looks"]) == 5


def test_tracks_on_a_full_disk_are_named(tmp_path, video, sound, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MediaError, match=r"t\.json: cannot be written \(No space left"):
        tiny_dub(video, sound, tmp_path / "out.mp4", tracks=tmp_path / "t.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["face.mp4", "sound.wav"]
