"""The expert finds which of two faces fits a sound, also when they take turns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from dubbing_media import BOX, FixedDetector, Hearing, make_video, tiny_dub
from standins import BrightAndLoud

from lipsync.dubbing import dub_frames, syncing
from lipsync.dubbing.source import open_source
from lipsync.dubbing.syncing import find_speaker
from lipsync.errors import MediaError
from lipsync.faces.detect import Detection, Detector, get_detector
from lipsync.faces.framing import Framing
from lipsync.media import VideoWriter, read_frames

GRID = Path(__file__).parents[3] / "shared" / "data" / "grid"


FRAMES = 150
RIGHT = BOX + np.array([90, 0, 90, 0], np.float32)


class TwoFaces(Detector):
    name = "two"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        marks = np.full((5, 2), np.nan, np.float32)
        return [Detection(BOX, 1.0, marks), Detection(RIGHT, 0.9, marks)]


def turns(path: Path, said_by: list[int]) -> Path:
    """Two faces as bright as two voices are loud, of which one is heard in each of six seconds."""
    rng = np.random.default_rng(3)
    level = np.stack([np.convolve(rng.random(FRAMES + 2) ** 3, [0.3] * 3, "valid") for _ in "ab"])
    heard = level[np.repeat(said_by, FRAMES // len(said_by)), np.arange(FRAMES)]
    wave = 0.3 * heard.repeat(640) * rng.standard_normal(FRAMES * 640).clip(-3, 3)
    with VideoWriter(path, 25, (192, 80), crf=4, audio=wave.astype(np.float32)) as video:
        for left, right in level.T:
            picture = np.full((80, 192, 3), 60, np.uint8)
            picture[:, :96] += np.uint8(60 * left)
            picture[:, 96:] += np.uint8(60 * right)
            picture[:8] = picture[:, 76:90] = 250  # a room in which that is no cut
            picture[-8:] = picture[:, 172:] = 0
            video.write(picture)
    return path


@pytest.mark.parametrize("said_by", [[0, 1], [1, 0, 0], [0], [1]])
def test_faces_take_turns(tmp_path: Path, monkeypatch, said_by: list[int]) -> None:
    monkeypatch.setattr("lipsync.checkpoints.load_model", lambda _: BrightAndLoud())
    video = turns(tmp_path / "turns.mp4", said_by)
    options = {"faces": "sync", "detector": TwoFaces(), "model": Hearing(), "match": False}
    frames = list(dub_frames(video, video, **options))
    dubbed = [int(frame.transforms[0][0, 2] > 80) for frame in frames]
    wanted = np.repeat(said_by, FRAMES // len(said_by))
    assert np.mean(dubbed == wanted) > (0.9 if len(said_by) > 1 else 0.99)
    assert np.count_nonzero(np.diff(dubbed)) == np.count_nonzero(np.diff(said_by))


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
        known, is_speaker = find_speaker(source, detector, 5, known, clip)
        number, faces = known["looks"][0]
        for frame in range(known["frames"]):
            spoken = [k for k in range(len(faces)) if is_speaker((number, k), frame)]
            assert [faces[k].box[0] > 360 for k in spoken] == [place == 1]


def test_only_the_faces_of_some_moments_are_held(tmp_path, sound, monkeypatch):
    shots, stride = 4, 5
    source = open_source(make_video(tmp_path / "v.mp4", shots * 30))
    marks, right = np.full((5, 2), np.nan), BOX + np.array([60, 0, 60, 0])
    looks = [
        (number, [Detection(BOX, 1.0, marks), Detection(right, 1.0, marks)])
        for number in range(0, shots * 30, stride)
    ]
    known = {"stride": stride, "cuts": [30, 60, 90], "looks": looks}
    held, most, cut = [], [], Framing.cut

    class Counting(BrightAndLoud):
        def face_moments(self, faces: torch.Tensor) -> torch.Tensor:
            most.append(len(held))
            del held[: 5 * len(faces)]
            return super().face_moments(faces)

    def counted(*arguments: object) -> np.ndarray:
        held.append(1)
        return cut(*arguments)

    monkeypatch.setattr(Framing, "cut", staticmethod(counted))
    monkeypatch.setattr("lipsync.checkpoints.load_model", lambda _: Counting())
    _, is_speaker = find_speaker(source, None, stride, known, sound)
    assert not held
    assert max(most) <= 2 * 5 * (syncing._BATCH_SIZE + 5)
    for number in range(shots * 30):
        track_ids = [(number // 30 * 30, i) for i in (0, 1)]
        assert sum(is_speaker(track_id, number) for track_id in track_ids) == 1


def test_a_single_face_is_the_speaker_whatever_the_sound(tmp_path, sound, video):
    result = tiny_dub(video, sound, tmp_path / "out.mp4", faces="sync", reference=sound)
    assert result.faces_found == 25
    with pytest.raises(MediaError, match=r"face\.mp4: has no sound"):
        tiny_dub(video, sound, tmp_path / "out.mp4", faces="sync")


def test_the_speaker_of_each_shot(tmp_path, sound):
    """Faces that are found in the pass over the whole video are those that are followed later."""
    face = make_video(tmp_path / "face.mp4", 25, hidden=range(10, 15))
    asked = []

    class Counting(FixedDetector):
        def detect(self, picture):
            asked.append(1)
            return super().detect(picture)

    tracks = tmp_path / "tracks.json"
    options = {"faces": "sync", "reference": sound, "stride": 1, "tracks": tracks}
    result = tiny_dub(face, sound, tmp_path / "out.mp4", detector=Counting(), **options)
    assert len(asked) == 25
    assert result.skipped == [(10, 15)]
    assert tracks.exists()
