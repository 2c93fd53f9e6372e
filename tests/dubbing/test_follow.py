"""Crops that follow a face: the training framing, no lag, no jitter, no smoothing across cuts and
gaps; the choice of face; and saved boxes."""

import json

import numpy as np
import pytest
from dubbing_media import BOX, SIZE, SQUARE, FixedDetector, Hearing, frame, make_video

from lipsync.dubbing import faces
from lipsync.dubbing.detections import Detections, default_stride, read_tracks
from lipsync.dubbing.follow import FaceFollower, MouthCentred
from lipsync.dubbing.options import Options
from lipsync.dubbing.playback import PlaybackFrame
from lipsync.dubbing.source import open_source
from lipsync.dubbing.speakers import checked_face, is_profile
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.crops import steady_box
from lipsync.faces.detect import Detection
from lipsync.faces.framing import covering_box, get_framing
from lipsync.generators.lips import Lips

BOX_FRAMING = get_framing("box")
NOWHERE = np.full((5, 2), np.nan, np.float32)


def LARGEST(number: int) -> list[str]:
    return ["largest"]


def face(box, marks=NOWHERE) -> Detection:
    return Detection(np.array(box, np.float32), 1.0, marks)


def followed_faces(
    boxes, *, framing="box", stride=1, cuts=(), speaker="largest", min_face=0, fps=25
):
    """The speaker's face in frames whose looks give these lists of boxes."""
    looks = [(n, [b if isinstance(b, Detection) else face(b) for b in there])
             for n, there in enumerate(boxes) if n % stride == 0]  # fmt: skip
    saved = {"stride": stride, "cuts": list(cuts), "looks": looks}
    follower = FaceFollower(
        Detections(None, stride, saved=saved), get_framing(framing), fps,
        lambda _: [checked_face(speaker)], min_face=min_face,
    )  # fmt: skip
    picture = np.zeros((200, 300, 3), np.uint8)
    out, coming = [], iter(range(len(boxes)))
    for (followed,) in follower.follow(picture for _ in coming):
        out.append(followed)
        ahead = len(boxes) - len(out) - coming.__length_hint__()
        assert ahead < 1.2 * fps + 5  # the look-ahead is about a second
    assert len(out) == len(boxes)
    return out


def transforms(boxes, **options):
    """Transforms for frames whose looks give these lists of boxes."""
    return [followed.transform for followed in followed_faces(boxes, **options)]


def follow(boxes, **options):
    """The same as squares."""
    found = transforms(boxes, **options)
    return [None if place is None else covering_box(place) for place in found]


def rows(squares) -> np.ndarray:
    return np.stack([np.full(4, np.nan) if s is None else s for s in squares])


def test_a_still_face_is_framed_as_in_training():
    follower = FaceFollower(Detections(FixedDetector(), 5), BOX_FRAMING, 25, LARGEST)
    pictures = [frame(k) for k in range(20)]
    out = list(follower.follow(pictures))
    for picture, ((same, transform, *_),) in zip(pictures, out, strict=True):
        assert same is picture
        np.testing.assert_allclose(covering_box(transform), SQUARE, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 5])
def test_squares_follow_without_lag_and_less_shakily_than_the_detector(stride):
    rng = np.random.default_rng(0)
    path = 60 * np.sin(np.arange(200) / 40)
    boxes = BOX + 100 + path[:, None] * [1, 0, 1, 0] + rng.normal(0, 1.5, (200, 4))
    squares = rows(follow([[box] for box in boxes], stride=stride))
    middle = (squares[:, 0] + squares[:, 2]) / 2 - (BOX[0] + BOX[2]) / 2 - 100
    inner = slice(20, -20)

    def error(shift: int) -> float:
        return float(np.abs(middle[inner] - np.roll(path, shift)[inner]).mean())

    assert min(range(-8, 9), key=error) == 0
    assert error(0) < 1.5
    assert np.diff(middle, 2)[inner].std() < 0.1 * np.diff(boxes[:, 0], 2)[inner].std()


def test_nothing_is_mixed_across_a_gap_or_a_cut():
    here, there = [BOX], [BOX + 20]
    for boxes, cuts, gap in [
        ([here] * 30 + [[]] * 9 + [there] * 30, (), slice(30, 39)),
        ([here] * 30 + [there] * 30, (30,), slice(30, 30)),
        ([here] * 30 + [[BOX + 100]] * 30, (), slice(30, 30)),  # another face, without a cut
    ]:
        squares = rows(follow(boxes, cuts=cuts))
        assert np.isnan(squares[gap]).all()
        np.testing.assert_allclose(squares[: gap.start], np.tile(SQUARE, (30, 1)), atol=1e-3)
        later = steady_box(np.array(boxes[-1]))
        np.testing.assert_allclose(squares[gap.stop :], np.tile(later, (30, 1)), atol=1e-3)


def test_a_face_fades_where_it_goes_and_comes_within_a_shot_and_nowhere_else():
    boxes = [[BOX]] * 20 + [[]] * 9 + [[BOX]] * 20 + [[BOX + 50]] * 20
    weights = [followed.weight for followed in followed_faces(boxes, cuts=(49,))]
    steps = [k / 6 for k in range(1, 6)]
    assert weights[15:20] == pytest.approx(steps[::-1])
    assert weights[29:34] == pytest.approx(steps)
    assert set(weights[:15] + weights[34:]) == {1.0}  # the ends of the video, and the cut
    apart = [followed.weight for followed in followed_faces([[BOX]] * 10 + [[BOX + 100]] * 10)]
    assert apart[8:12] == pytest.approx([2 / 6, 1 / 6, 1 / 6, 2 / 6])  # another face in the shot


def test_between_looks_a_cut_ends_the_hold():
    boxes = [[BOX]] * 23 + [[BOX + 100]] * 22
    squares = rows(follow(boxes, stride=5, cuts=[23]))
    np.testing.assert_allclose(squares[:23], np.tile(SQUARE, (23, 1)), atol=1e-3)
    np.testing.assert_allclose(squares[23:], np.tile(SQUARE + 100, (22, 1)), atol=1e-3)


def test_a_face_that_was_overlooked_once_is_there_and_one_that_left_is_not():
    boxes = [[BOX]] * 5 + [[]] + [[BOX]] * 5 + [[]] * 12
    found = np.isfinite(rows(follow(boxes))[:, 0])
    assert found[:11].all()
    assert not found[11:].any()


@pytest.mark.parametrize(
    ("speaker", "expected"),
    [("largest", 1), ("left", 0), ("right", 2), ("0", 0), (2, 2), ("centre", 1), ("bottom", 0)],
)
def test_the_speaker(speaker, expected):
    boxes = [[10, 80, 50, 130], [100, 30, 190, 140], [220, 60, 270, 120]]
    squares = follow([boxes] * 10, speaker=speaker)
    np.testing.assert_allclose(squares[3], steady_box(np.array([boxes[expected]])), atol=1e-3)
    assert follow([boxes] * 10, speaker=3) == [None] * 10


def test_the_speaker_stays_when_faces_pass_each_other():
    moving = [[[20 + 5 * k, 20, 70 + 5 * k, 80], [200 - 5 * k, 100, 250 - 5 * k, 160]]
              for k in range(40)]  # fmt: skip
    squares = rows(follow(moving, speaker="left"))
    assert (squares[:, 1] < 60).all()  # the upper one, which started at the left


def test_small_faces_and_profiles_are_left_alone():
    assert follow([[BOX]] * 10, min_face=60) == [None] * 10
    assert follow([[BOX]] * 10, min_face=50)[0] is not None
    marks = np.array([[34, 25], [50, 25], [42, 35], [36, 48], [48, 48]], np.float32)
    assert not is_profile(face(BOX, marks))
    turned = marks.copy()
    turned[2, 0] = 51
    assert is_profile(face(BOX, turned))
    boxes = [[face(BOX, marks)]] * 20 + [[face(BOX, turned)]] * 20
    found = np.isfinite(rows(follow(boxes))[:, 0])
    assert found[:19].all()
    assert not found[21:].any()


def rolled(degrees: float, x: float = 150, y: float = 100) -> Detection:
    """A frontal face in an upright box, rolled clockwise about the point between its eyes."""
    a = np.radians(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    marks = np.array([[-12, 0], [12, 0], [0, 15], [-10, 27], [10, 27]]) @ rotation.T + [x, y]
    x, y = np.array([0, 10]) @ rotation.T + [x, y]
    return face([x - 30, y - 38, x + 30, y + 38], marks.astype(np.float32))


@pytest.mark.parametrize("degrees", [0, 30, 60, -90, 180])
def test_a_rolled_face_is_no_profile_and_is_dubbed_where_its_crop_turns(degrees):
    assert not is_profile(rolled(degrees))
    assert transforms([[rolled(degrees)]] * 10, framing="aligned")[0] is not None
    assert (transforms([[rolled(degrees)]] * 10)[0] is None) == (abs(degrees) > 35)
    turned_away = rolled(degrees)
    turned_away.landmarks[2] += 0.5 * (turned_away.landmarks[1] - turned_away.landmarks[0])
    assert is_profile(turned_away)


def test_eyes_that_are_swapped_are_a_profile():
    swapped = rolled(0)
    swapped.landmarks[:2] = swapped.landmarks[1::-1].copy()
    assert is_profile(swapped)


@pytest.mark.parametrize("stride", [1, 5])
@pytest.mark.parametrize("framing", ["aligned", "aligned_tight"])
def test_aligned_crops_roll_and_move_with_the_face(framing, stride):
    """A head that sways while it moves; landmarks jitter by half a pixel."""
    rng = np.random.default_rng(0)
    degrees = 30 * np.sin(np.arange(150) / 25)
    faces = [rolled(angle, 100 + k / 2) for k, angle in enumerate(degrees)]
    for one in faces:
        one.landmarks[...] += rng.normal(0, 0.5, (5, 2))
    found = np.stack(transforms([[one] for one in faces], framing=framing, stride=stride))
    angles = np.degrees(np.arctan2(found[:, 1, 0], found[:, 0, 0]))
    inner = slice(10, -10)
    assert np.abs(angles - degrees)[inner].max() < 2.5
    true = np.stack([rolled(angle, 100 + k / 2).landmarks for k, angle in enumerate(degrees)])
    at = get_framing(framing).transforms(np.tile(BOX, (150, 1)), true, radius=0) @ [0.5, 0.6, 1]
    off = found @ [0.5, 0.6, 1] - at
    assert np.hypot(*off[inner].T).max() < 1.2
    assert min(range(-8, 9), key=lambda s: np.abs(angles - np.roll(degrees, s))[inner].mean()) == 0


def test_aligned_crops_are_not_mixed_across_a_cut():
    looks = [[rolled(20)]] * 20 + [[rolled(-20, 170)]] * 20
    found = np.stack(transforms(looks, framing="aligned", cuts=(20,)))
    for part, degrees in ((found[:20], 20), (found[20:], -20)):
        angles = np.degrees(np.arctan2(part[:, 1, 0], part[:, 0, 0]))
        np.testing.assert_allclose(angles, degrees, atol=1e-3)


def test_aligned_crops_need_landmarks(tmp_path):
    follower = FaceFollower(Detections(FixedDetector(), 5), get_framing("aligned"), 25, LARGEST)
    with pytest.raises(ConfigError, match=r"framing aligned needs landmarks .* detector fixed"):
        list(follower.follow([frame(0)]))
    (tmp_path / "t.json").write_text(json.dumps({"stride": 5, "looks": [[0, [BOX.tolist()]]]}))
    saved = read_tracks(tmp_path / "t.json", SIZE)
    follower = FaceFollower(Detections(None, 5, saved=saved), get_framing("aligned"), 25, LARGEST)
    with pytest.raises(MediaError, match=r"t\.json: .* no landmarks; .* delete it"):
        list(follower.follow([frame(0)]))


def test_looks_are_five_a_second():
    assert [default_stride(fps) for fps in (1, 12, 25, 29.97, 60)] == [1, 2, 5, 6, 12]


def test_very_large_pictures_are_not_all_kept():
    follower = FaceFollower(Detections(FixedDetector(), 5), BOX_FRAMING, 25, LARGEST)
    huge = np.broadcast_to(np.uint8(200), (4320, 7680, 3))
    coming = iter(range(40))
    given = enumerate(follower.follow(huge for _ in coming), start=1)
    assert max(40 - coming.__length_hint__() - number for number, _ in given) <= 14


# ---------------------------------------------------------------- saved boxes


def test_tracks_are_saved_and_read_back(tmp_path):
    looks = Detections(FixedDetector(), 2, record=True)
    for k in range(5):
        looks.at(k, frame(k))
    looks.note_cut(3)
    looks.save(tmp_path / "tracks.json", tmp_path / "face.mp4", SIZE)
    assert looks.detected == 3
    found = read_tracks(tmp_path / "tracks.json", SIZE)
    assert (found["stride"], found["cuts"]) == (2, [3])
    assert [number for number, _ in found["looks"]] == [0, 2, 4]
    np.testing.assert_array_equal(found["looks"][1][1][0].box, BOX)
    assert np.isnan(found["looks"][1][1][0].landmarks).all()


def test_tracks_that_were_found_beforehand_are_saved_too(tmp_path):
    """As in speaker selection by sync, where faces are found before the frames are dubbed."""
    first = Detections(FixedDetector(), 2, record=True)
    for number in range(5):
        first.at(number, frame(number))
    first.note_cut(3)
    again = Detections(None, 2, saved=first.as_dict(), record=True)
    again.note_cut(3)  # reported again
    assert again.as_dict() == first.as_dict()
    again.save(tmp_path / "tracks.json", tmp_path / "face.mp4", SIZE)
    assert [n for n, _ in read_tracks(tmp_path / "tracks.json", SIZE)["looks"]] == [0, 2, 4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "is not a face-track file"),
        ("[]", "is not a face-track file"),
        ('{"looks": [[0, [[1, 2, 3]]]]}', "is not a face-track file"),
        ('{"looks": [[0, [[9, 9, 3, 3]]]]}', "is not a face-track file"),
        ('{"size": [10, 10], "looks": []}', "of a video of 10x10, but this one is 96x80"),
        ('{"looks": [[3, []], [1, []]]}', "are not in ascending order"),
    ],
)
def test_other_files_are_refused(tmp_path, text, problem):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(MediaError, match=problem):
        read_tracks(tmp_path / "t.json", SIZE)


def test_boxes_can_be_written_by_hand(tmp_path):
    text = json.dumps({"looks": [[0, [BOX.tolist()]], [10, [BOX.tolist()]]]})
    (tmp_path / "t.json").write_text(text)
    found = read_tracks(tmp_path / "t.json", SIZE)
    assert found["stride"] == 10


# ---------------------------------------------------------------- turned heads


def turned(share: float) -> Detection:
    """A face whose mouth is off-centre by ``share`` of its box's width."""
    x, y = (BOX[0] + BOX[2]) / 2, BOX[1]
    mouth = x + share * (BOX[2] - BOX[0])
    marks = [[x - 8, y + 15], [x + 8, y + 15], [(x + mouth) / 2, y + 28], [mouth - 6, y + 38]]
    return face(BOX, np.array([*marks, [mouth + 6, y + 38]], np.float32))


def test_a_mouth_that_is_turned_away_is_brought_to_the_middle_of_the_box():
    boxes = np.tile(BOX, (3, 1))
    marks = np.stack([turned(share).landmarks for share in (0.03, 0.2, -0.2)])
    straight, right, left = MouthCentred().transforms(boxes, marks)
    np.testing.assert_array_equal(straight, BOX_FRAMING.transforms(boxes, marks)[0])
    for place, share in ((right, 0.2), (left, -0.2)):
        mouth = (BOX[0] + BOX[2]) / 2 + share * (BOX[2] - BOX[0])
        u = (mouth - place[0, 2]) / place[0, 0]
        assert abs(u - 0.5) == pytest.approx(0.04, abs=1e-6)
        np.testing.assert_array_equal(place[1], straight[1])
    unknown = np.full((3, 5, 2), np.nan)
    np.testing.assert_array_equal(
        MouthCentred().transforms(boxes, unknown), BOX_FRAMING.transforms(boxes)
    )


@pytest.mark.parametrize("published", [False, True])
def test_the_papers_networks_keep_their_box(monkeypatch, tmp_path, published):
    class Turned(FixedDetector):
        def detect(self, picture):
            return [turned(0.2)]

    monkeypatch.setattr(faces, "is_published", lambda model: published)
    source = open_source(make_video(tmp_path / "face.mp4", 3))
    found = faces.FacePlan(source, Lips(Hearing()), Options(detector=Turned())).find(
        PlaybackFrame(k, k / 25, 1 / 25, picture) for k, (_, picture) in enumerate(source.frames())
    )
    for _, (one,) in found:
        assert np.allclose(covering_box(one.transform), SQUARE, atol=1e-3) is published
