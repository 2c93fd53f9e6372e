"""A model with aligned crops dubs a tilted face in the face's own orientation."""

import json

import numpy as np
import pytest
from dubbing_media import FixedDetector, Hearing, frame, tiny_dub

from lipsync.dubbing import LiveSession, dub_frames
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.detect import Detection, Detector
from lipsync.faces.framing import get_framing
from lipsync.media import VideoWriter, read_frames

SIZE = (200, 160)
ANGLE = 50.0
MIDDLE = np.array([100.0, 80.0])


def turned(points, degrees=ANGLE) -> np.ndarray:
    a = np.radians(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return (np.asarray(points) - MIDDLE) @ rotation.T + MIDDLE


MARKS = turned([[85, 65], [115, 65], [100, 80], [88, 98], [112, 98]]).astype(np.float32)


class Leaning(Detector):
    name = "leaning"

    def detect(self, picture: np.ndarray) -> list[Detection]:
        whole = picture.shape[1::-1] == SIZE
        return [Detection(np.float32([65, 36, 135, 124]), 1.0, MARKS)] if whole else []


class AlignedHearing(Hearing):
    def __init__(self, framing: str = "aligned") -> None:
        super().__init__()
        self.config["framing"] = framing


@pytest.fixture
def leaning(tmp_path):
    with VideoWriter(tmp_path / "lean.mp4", 25, SIZE, crf=1) as video:
        for k in range(25):
            video.write(frame(k, SIZE))
    return tmp_path / "lean.mp4"


@pytest.mark.parametrize("framing", ["aligned", "aligned_tight"])
def test_a_face_that_leans_is_dubbed_along_its_own_axis(leaning, sound, framing):
    model = AlignedHearing(framing)
    frames = list(
        dub_frames(
            leaning, sound, model=model, detector=Leaning(), match=False, reference_frames="itself"
        )
    )
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    upright = turned(np.stack([x, y], axis=-1).reshape(-1, 2), -ANGLE)
    along, below = (upright - [100, 98]).T.reshape(2, SIZE[1], SIZE[0])  # the mouth at 0
    changed = np.stack([(f.picture != f.original).any(axis=2) for f in frames])
    assert changed[:, np.hypot(along, below) < 10].mean() > 0.95
    assert not changed[:, below < -25].any()  # eyes
    assert not changed[:, np.abs(along) > 45].any()
    assert not changed[:, below > 45].any()
    angles = [np.degrees(np.arctan2(f.transforms[0][1, 0], f.transforms[0][0, 0])) for f in frames]
    np.testing.assert_allclose(angles, ANGLE, atol=0.01)
    seen = get_framing(framing).cut(frames[0].original, frames[0].transforms[0], 32) / 255
    shown = model.inputs[0][1][0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(shown[..., 3:], seen, atol=1e-6)
    assert not shown[16:, :, :3].any()


def test_a_live_session_too(leaning):
    session = LiveSession(leaning, model=AlignedHearing(), detector=Leaning(), gate=False)
    (first, *_) = session.push(np.zeros(16000, np.float32))
    place = first.transforms[0]
    assert place[1, 0] == pytest.approx(place[0, 0] * np.tan(np.radians(ANGLE)))
    x, y = turned([[100, 98]])[0].astype(int)
    assert (first.picture[y, x] != first.original[y, x]).any()


def test_a_model_of_upright_squares_leaves_it_alone(tmp_path, leaning, sound):
    with pytest.raises(MediaError, match="no face found in 25 frames"):
        tiny_dub(leaning, sound, tmp_path / "out.mp4", detector=Leaning())


def test_landmarks_come_from_the_tracks_or_are_asked_for(tmp_path, leaning, sound):
    tracks, out = tmp_path / "tracks.json", tmp_path / "out.mp4"
    options = {"model": AlignedHearing(), "tracks": tracks}
    tiny_dub(leaning, sound, tmp_path / "a.mp4", detector=Leaning(), **options)
    tiny_dub(leaning, sound, tmp_path / "b.mp4", **options)
    for (_, a), (_, b) in zip(
        read_frames(tmp_path / "a.mp4"), read_frames(tmp_path / "b.mp4"), strict=True
    ):
        assert np.abs(a.astype(int) - b).mean() < 0.2  # landmarks are saved to 0.01 pixel
    found = json.loads(tracks.read_text())
    found["looks"] = [[n, [face[:5] for face in faces]] for n, faces in found["looks"]]
    tracks.write_text(json.dumps(found))
    with pytest.raises(MediaError, match=r"tracks\.json: .* no landmarks; .*aligned"):
        tiny_dub(leaning, sound, out, **options)
    with pytest.raises(ConfigError, match="detector fixed finds none; use detector=centerface"):
        tiny_dub(leaning, sound, out, model=AlignedHearing(), detector=FixedDetector())
    assert not out.exists()


def test_a_framing_that_there_is_not(tmp_path, leaning, sound):
    with pytest.raises(ConfigError, match="no framing is named 'round'; there are box, "):
        tiny_dub(leaning, sound, tmp_path / "out.mp4", model=AlignedHearing("round"))
