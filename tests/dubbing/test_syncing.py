"""Of two faces, the one whose lips fit a sound is found by the expert."""

from pathlib import Path

import numpy as np
import pytest
from dubbing_media import BOX, FixedDetector, make_video, tiny_dub

from lipsync.dubbing import syncing
from lipsync.dubbing.source import open_source
from lipsync.dubbing.syncing import find_speaker
from lipsync.errors import MediaError
from lipsync.faces.detect import Detection, get_detector
from lipsync.faces.framing import Framing
from lipsync.media import VideoWriter, read_frames

GRID = Path(__file__).parents[3] / "shared" / "data" / "grid"


@pytest.mark.skipif(not GRID.is_dir(), reason="needs ../shared/data/grid")
def test_the_speaker_is_whose_lips_fit_the_sound(tmp_path):
    clips = [GRID / "s1" / "bbas1s.mp4", GRID / "s4" / "bbilzs.mp4"]
    both = tmp_path / "both.mp4"
    pictures = zip(*(read_frames(clip) for clip in clips), strict=False)
    with VideoWriter(both, 25, (720, 288), crf=12) as video:
        for (_, left), (_, right) in pictures:
            video.write(np.concatenate([left, right], axis=1))
    source, detector, known = open_source(both), get_detector("centerface"), None
    for place, clip in enumerate(clips):
        known, speaks = find_speaker(source, detector, 5, known, clip)
        number, faces = known["looks"][0]
        found = [faces[i].box[0] > 360 for i in range(len(faces)) if speaks((number, i))]
        assert found == [place == 1]


def test_only_the_faces_of_a_shot_are_held(tmp_path, sound, monkeypatch):
    shots, stride = 4, 5
    source = open_source(make_video(tmp_path / "v.mp4", shots * 30))
    marks, right = np.full((5, 2), np.nan), BOX + np.array([60, 0, 60, 0])
    looks = [
        (number, [Detection(BOX, 1.0, marks), Detection(right, 1.0, marks)])
        for number in range(0, shots * 30, stride)
    ]
    known = {"stride": stride, "cuts": [30, 60, 90], "looks": looks}
    made, held = [], []

    def score(face, *_):
        held.append(len(made))
        del made[: len(face.crops)]
        return float(face.birth[1])

    monkeypatch.setattr(Framing, "cut", lambda *_: made.append(1))
    monkeypatch.setattr(syncing, "_score", score)
    _, speaks = find_speaker(source, None, stride, known, sound)
    assert len(held) == 2 * shots
    assert max(held) == 2 * 5 * 5  # five windows of two faces, each of five frames
    assert [speaks((30 * shot, i)) for shot in range(shots) for i in (0, 1)] == [0, 1] * shots


def test_a_single_face_is_the_speaker_whatever_the_sound(tmp_path, sound, video):
    result = tiny_dub(video, sound, tmp_path / "out.mp4", speaker="sync", reference=sound)
    assert result.faces_found == 25
    with pytest.raises(MediaError, match=r"face\.mp4: has no sound"):
        tiny_dub(video, sound, tmp_path / "out.mp4", speaker="sync")


def test_the_speaker_of_each_shot(tmp_path, sound):
    """Looks that are found while the video is read through are those that are followed later."""
    face = make_video(tmp_path / "face.mp4", 25, hidden=range(10, 15))
    asked = []

    class Counting(FixedDetector):
        def detect(self, picture):
            asked.append(1)
            return super().detect(picture)

    tracks = tmp_path / "tracks.json"
    options = {"speaker": "sync", "reference": sound, "stride": 1, "tracks": tracks}
    result = tiny_dub(face, sound, tmp_path / "out.mp4", detector=Counting(), **options)
    assert len(asked) == 25
    assert result.skipped == [(10, 15)]
    assert tracks.exists()
