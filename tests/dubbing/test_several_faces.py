"""One sound per face: each mouth follows its own, others are unchanged, the output has the mix."""

from pathlib import Path

import numpy as np
import pytest
from dubbing_media import BOX, Hearing, frame, tiny_dub, tone

from lipsync.dubbing import dub_batch, dub_frames
from lipsync.dubbing.parts import Part, Parts
from lipsync.dubbing.sound import mix
from lipsync.dubbing.speakers import assign, checked_face
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.detect import Detection, Detector
from lipsync.media import VideoWriter, read_audio, read_frames, write_audio

SHIFT = np.array([90, 0, 90, 0], np.float32)
THREE = [BOX + k * SHIFT for k in range(3)]
SIZE = (280, 80)
NOWHERE = np.full((5, 2), np.nan, np.float32)


class Row(Detector):
    """Three faces side by side; only the last one in frames with a black corner."""

    name = "row"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        there = THREE[2:] if frame[0, 0].max() < 16 else THREE
        return [Detection(box, 1.0, NOWHERE) for box in there]


@pytest.fixture
def row(tmp_path: Path) -> Path:
    """One second of three faces."""
    with VideoWriter(tmp_path / "row.mp4", 25, SIZE, crf=1) as video:
        for k in range(25):
            video.write(frame(k, SIZE))
    return tmp_path / "row.mp4"


@pytest.fixture
def sounds(tmp_path: Path) -> dict[str, Path]:
    """One sound that is loud in its second half, and a quiet one that ends after 0.6 s."""
    write_audio(tmp_path / "late.wav", tone(1.0, loud_from=0.5))
    write_audio(tmp_path / "short.wav", tone(0.6))
    return {"late": tmp_path / "late.wav", "short": tmp_path / "short.wav"}


def mouths(picture: np.ndarray) -> list[float]:
    """Brightness of a frame at each of the three mouths."""
    found = []
    for box in THREE:
        x, y = int(box[[0, 2]].mean()), int(box[1] + 0.72 * (box[3] - box[1]))
        found.append(float(picture[y - 1 : y + 2, x - 1 : x + 2].mean()))
    return found


def test_each_face_speaks_its_own_sound_and_others_are_left_alone(tmp_path, row, sounds):
    out = tmp_path / "out.mp4"
    faces = {"left": sounds["late"], "right": sounds["short"]}
    result = tiny_dub(row, None, out, detector=Row(), faces=faces, gate=False)
    assert (result.frames, result.by_face) == (25, {"left": 25, "right": 25})
    assert "(left in 25, right in 25)" in str(result)
    levels = np.array([mouths(picture) for _, picture in read_frames(out)])
    before = np.array([mouths(picture) for _, picture in read_frames(row)])
    left, middle, right = levels.T
    assert left[2:9].max() < 20 < 60 < left[16:24].min()
    assert right[20:].max() < 20 < 60 < right[2:11].min()
    np.testing.assert_allclose(middle, before[:, 1], atol=3)
    heard = read_audio(out, 16_000)
    late, short = (read_audio(path, 16_000) for path in sounds.values())
    both = late + np.pad(short, (0, len(late) - len(short)))
    share = np.corrcoef(heard[: len(both)], both[: len(heard)])[0, 1]
    assert share > 0.95


def test_a_sound_for_the_file_takes_the_place_of_the_mix(tmp_path, row, sounds):
    write_audio(tmp_path / "music.wav", tone(0.8))
    faces = {"1": sounds["late"]}
    result = tiny_dub(row, tmp_path / "music.wav", tmp_path / "o.mp4", detector=Row(), faces=faces)
    assert result.frames == 20
    levels = [mouths(picture) for _, picture in read_frames(tmp_path / "o.mp4")]
    assert levels[2][1] < 20  # its sound is silent there
    heard = read_audio(tmp_path / "o.mp4", 16_000)
    assert np.abs(heard[1600:6400]).max() > 0.05  # unlike the music


def test_people_take_turns_and_unseen_ones_move_no_lips(row, sounds):
    late, short = sounds.values()
    parts = Parts((
        Part("A", late, ((0.0, 0.4, "45,40"), (0.72, 1.0, "135,40"))),
        Part("B", short, ((0.4, 0.6, "225,40"),)),
    ))  # fmt: skip
    made = dub_frames(row, late, detector=Row(), faces=parts, model=Hearing(), match=False)
    places = [
        [None if place is None else int(place[0, 2] // 90) for place in one.transforms]
        for one in made
    ]
    assert places == [*[[0, None]] * 10, *[[None, 2]] * 5, *[[None, None]] * 3, *[[1, None]] * 7]
    nobody = Parts((Part("A", late, ()),))
    made = list(dub_frames(row, late, detector=Row(), faces=nobody, model=Hearing()))
    assert not any(one.dubbed for one in made)


def test_a_face_that_is_gone_does_not_take_that_of_another(tmp_path, sounds):
    video = tmp_path / "gone.mp4"
    with VideoWriter(video, 25, SIZE, crf=1) as writer:
        for k in range(25):
            picture = frame(k, SIZE)
            picture[:8, :8] *= k < 10
            writer.write(picture)
    faces = {"left": sounds["late"], "right": sounds["short"]}
    made = dub_frames(video, None, detector=Row(), stride=1, faces=faces, model=Hearing())
    seen = [[place is not None for place in one.transforms] for one in made]
    assert seen[:10] == [[True, True]] * 10
    assert seen[-10:] == [[False, True]] * 10


@pytest.mark.parametrize(
    ("wanted", "boxes", "held", "expected"),
    [
        (["left", "right"], THREE, [None, None], [0, 2]),
        (["right", "left", "centre"], THREE, [None] * 3, [2, 0, 1]),
        (["0", "2"], THREE, [None, None], [0, 2]),
        (["left", "right"], THREE[:1], [None, None], [0, None]),
        (["left", "right"], THREE[2:], [None, None], [None, 0]),
        (["left", "right"], THREE[1:], [None, 0], [1, 0]),
        (["left"], THREE[2:], [None], [0]),
        (["130,30", "5,5"], THREE, [None, None], [1, None]),
        (["left", None], THREE, [None, None], [0, None]),
        (["130,30", None], THREE[1:2], [None, None], [0, None]),
        (["centre", None], THREE[:1], [None, None], [0, None]),
    ],
)
def test_no_face_is_that_of_two(wanted, boxes, held, expected):
    assert assign(wanted, boxes, SIZE, held) == expected


@pytest.mark.parametrize(
    ("faces", "said"),
    [
        ({"left": "a.wav", "lft": "b.wav"}, "face must be .* got 'lft'"),
        ({"left": "a.wav", "sync": "b.wav"}, "face sync finds one speaker"),
        ({"0": "a.wav", 0: "b.wav"}, "face 0 is given twice"),
        ({"left": None}, "face left has no sound"),
        ({}, "faces is empty"),
        (-1, "a face number must be 0 or more"),
        ("3,x", "a number or X,Y, got '3,x'"),
    ],
)
def test_refused_faces(row, faces, said):
    with pytest.raises(ConfigError, match=said):
        dub_frames(row, None, faces=faces)


def test_refusals_that_need_the_media(tmp_path, row, sounds):
    with pytest.raises(ConfigError, match="no sound given; name one, or one per face"):
        dub_frames(row, None)
    faces = {"0": sounds["late"], "5": sounds["short"]}
    with pytest.raises(MediaError, match=r"no face '5' found in 25 frames; at most 3 .*0 to 2"):
        tiny_dub(row, None, tmp_path / "o.mp4", detector=Row(), faces=faces)
    assert not (tmp_path / "o.mp4").exists()
    with pytest.raises(ConfigError, match="`curves` and `driver` need a single face"):
        dub_frames(row, None, faces=faces, driver=row)
    voice = tmp_path / "voice.mp4"
    voice.write_bytes(row.read_bytes())
    with pytest.raises(MediaError, match=r"voice\.mp4: is the input file"):
        tiny_dub(row, None, voice, detector=Row(), faces={"left": voice})


def test_a_batch_of_several_faces(tmp_path, row, sounds):
    text = "- {face: row.mp4, output: o.mp4, faces: {left: late.wav, right: short.wav}}\n"
    (tmp_path / "list.yaml").write_text(text)
    options = {"model": Hearing(), "detector": Row(), "match": False}
    result = dub_batch(tmp_path / "list.yaml", **options)
    assert not result.failed
    assert result.done[0].by_face == {"left": 25, "right": 25}
    write_audio(sounds["short"], tone(0.7))
    assert len(dub_batch(tmp_path / "list.yaml", **options).done) == 1
    (tmp_path / "list.csv").write_text("face,audio,output,faces\nrow.mp4,,o.mp4,left\n")
    with pytest.raises(ConfigError, match="has no audio"):
        dub_batch(tmp_path / "list.csv")


def test_a_mix_is_as_long_as_the_longest_and_does_not_clip():
    ones = [np.full((1, n), level, np.float32) for n, level in ((7000, 0.8), (12_000, 0.4))]
    parts = [np.array_split(ones[0], 9, axis=1), [ones[1]]]
    whole = np.concatenate(list(mix(parts, 1, 0.5)), axis=1)[0]
    np.testing.assert_allclose(whole[:7000], 0.6)
    np.testing.assert_allclose(whole[7000:12_000], 0.2)
    assert not whole[12_000:].any()
    assert len(whole) - 12_000 < 4800


def test_numbers_of_faces_may_have_zeros_before_them():
    assert checked_face("01") == "1"
