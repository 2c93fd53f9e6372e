"""Reference frames in a dub: none whose mouth the generator could replay."""

import json

import cv2
import numpy as np
import pytest
import torch
from dubbing_media import SQUARE, FixedDetector, Hearing, frame, make_video, tiny_dub, tone

from lipsync import cli
from lipsync.dubbing import LiveSession, dub_frames, render
from lipsync.dubbing.candidates import FaceSample
from lipsync.dubbing.faces import FacePlan
from lipsync.dubbing.options import Options
from lipsync.dubbing.playback import PlaybackFrame
from lipsync.dubbing.references import ALIGNED, IN_BOX, PoseThresholds, References, reference_choice
from lipsync.dubbing.result import ReferencesUsed
from lipsync.dubbing.source import open_source
from lipsync.errors import ConfigError, MediaError
from lipsync.generators.lips import Lips
from lipsync.media import VideoWriter
from lipsync.models import Wav2Lip

REST = range(12, 18)  # the frames of `talking` in which the mouth rests
UNIT = np.array([[64.0, 0, 0], [0, 64.0, 0]])
MARKS = np.array([[20, 20], [44, 20], [32, 32], [np.nan, np.nan], [np.nan, np.nan]])


def face(opening: float, size: int = 64) -> np.ndarray:
    """A crop: eyes, and a mouth that is a soft line (0) or open by ``opening`` (1: wide)."""
    picture = np.full((256, 256, 3), 180, np.uint8)
    for x in (85, 171):
        cv2.circle(picture, (x, 70), 14, (40, 40, 40), -1)
    cv2.line(picture, (98, 186), (158, 186), (130, 90, 90), 5)
    if opening > 0:
        axes = (30, max(3, round(30 * opening)))
        cv2.ellipse(picture, (128, 186), axes, 0, 0, 360, (20, 10, 10), -1)
        cv2.rectangle(picture, (112, 180 - axes[1] // 2), (144, 184 - axes[1] // 4), (240,) * 3, -1)
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def seen(number: int, opening: float, shift: float = 0.0, light: int = 0) -> FaceSample:
    """A face in frame ``number``, shifted to the right by ``shift`` of the crop."""
    crop = np.clip(face(opening).astype(int) + light, 0, 255).astype(np.uint8)
    marks = MARKS + np.array([64 * shift, 0])
    return FaceSample(number, crop, crop, UNIT, np.concatenate([[0, 0, 64, 64], marks.ravel()]))


def mouths(count: int, closed: set[int]) -> list[float]:
    return [0.0 if k in closed else 0.4 + 0.5 * abs(np.sin(0.7 * k)) for k in range(count)]


def chosen(references: References, faces: list[FaceSample], track=0) -> list:
    for one in faces:
        references.add(track, one)
    return [references.choose(track, one) for one in faces]


def test_the_mouth_of_a_reference_rests_and_nothing_else_of_mouths_counts():
    openings = mouths(50, set(range(24, 36)))
    faces = [seen(k, opening) for k, opening in enumerate(openings)]
    choices = chosen(References("auto", 1, 25), faces)
    assert {choice.shares for choice in choices} == {((1.0, (24,)),)}
    assert not any(choice.fallback for choice in choices)
    # frames to be dubbed may have any mouth
    references = References("auto", 1, 25)
    for one in faces:
        references.add(0, one)
    for opening in (0.0, 0.5, 1.0):
        assert references.choose(0, seen(99, opening)).shares == ((1.0, (24,)),)


def test_another_pose_brings_another_reference_which_fades_in_and_stays():
    still = [seen(k, 0.8 * (k % 12 != 0)) for k in range(24)]
    moved = [seen(k, 0.8 * (k % 12 != 0), shift=0.1) for k in range(24, 48)]
    choices = chosen(References("auto", 1, 25), still + moved)
    numbers = [choice.shares[-1][1][0] for choice in choices]
    assert len(set(numbers[:24])) == len(set(numbers[24:])) == 1
    assert numbers[0] < 24 <= numbers[24]
    fade = [choice.shares for choice in choices[24:27]]
    assert [shares[-1][0] for shares in fade] == pytest.approx([0.25, 0.5, 0.75])
    assert all(sum(share for share, _ in shares) == pytest.approx(1) for shares in fade)
    assert all(shares[0][1] == (numbers[0],) for shares in fade)
    assert choices[27].shares == ((1.0, (numbers[24],)),)


def test_a_reference_that_does_not_fit_at_all_is_left_at_once():
    white = [seen(k, mouths(60, set(range(0, 60, 9)))[k], light=160 * (k < 6)) for k in range(60)]
    shares = [choice.shares for choice in chosen(References("auto", 1, 25), white)]
    numbers = [one[-1][1][0] for one in shares]
    assert numbers[0] < 6  # a fade from white: only its frames are white
    assert min(numbers[6:]) >= 6
    assert len(shares[6]) == 1  # and none is blended with the others


def test_a_head_that_nods_a_little_keeps_its_reference():
    openings = mouths(75, set(range(15, 33)))
    faces = [seen(k, openings[k], shift=0.015 * np.sin(k)) for k in range(75)]
    assert {choice.shares for choice in chosen(References("auto", 1, 25), faces)} == {
        ((1.0, (16,)),)
    }


def test_where_eyes_hold_still_a_small_turn_asks_for_another_reference():
    openings = mouths(60, {10, 12, 14, 16})
    faces = [seen(k, openings[k], shift=0.025 * (k >= 30)) for k in range(60)]

    def last(reach: PoseThresholds) -> set[int]:
        choices = chosen(References("auto", 1, 25, (), reach), faces)
        return {choice.shares[-1][1][0] for choice in choices[35:]}

    assert max(last(IN_BOX)) < 30 <= min(last(ALIGNED))


def test_references_do_not_flicker_with_a_head_that_is_never_still():
    faces = [seen(k, mouths(75, set())[k], shift=0.08 * (k // 4 % 2)) for k in range(75)]
    shares = [choice.shares for choice in chosen(References("auto", 1, 25), faces)]
    numbers = [one[-1][1][0] for one in shares]
    changes = [k for k in range(1, 75) if numbers[k] != numbers[k - 1]]
    assert 2 <= len(changes) <= 8
    assert min(np.diff(changes)) >= 10  # 0.4 s


def test_a_reference_is_of_the_same_face_and_light():
    references = References("auto", 1, 25)
    for k in range(50):
        references.add("left", seen(k, 0.8 * (k % 9 != 0)))
        references.add("right", seen(100 + k, 0.8 * (k % 12 != 0)))
    assert references.choose("left", seen(1, 0.8)).shares[0][1][0] < 50
    assert references.choose("right", seen(101, 0.8)).shares[0][1][0] >= 100
    dim = [seen(k, mouths(50, {0})[k], light=-90 * (k >= 12)) for k in range(50)]
    numbers = [choice.shares[-1][1][0] for choice in chosen(References("auto", 1, 25), dim)]
    assert numbers[0] == 0
    assert min(numbers[12:]) >= 12


def test_a_mouth_unlike_all_others_is_kept_though_its_pose_is_not_rare():
    faces = [seen(k, float(k == 20), shift=0.001 * (k // 2)) for k in range(120)]
    faces[22] = seen(22, 0.0, shift=0.01)  # in the very pose of frame 20
    references = References("auto", 2, 25, (), ALIGNED)
    for one in faces:
        references.add(0, one)
    ((_, numbers),) = references.choose(0, faces[20]).shares
    assert 20 in numbers


def test_a_reference_is_shown_in_the_light_of_the_frame():
    faces = [seen(k, opening) for k, opening in enumerate(mouths(50, set(range(24, 36))))]
    references = References("auto", 1, 25)
    choice = chosen(references, faces)[0]

    def shown(own: np.ndarray) -> np.ndarray:
        return references.crops(choice, own, None)[0][1][0]

    at_rest = face(0.0)
    assert (shown(face(0.8)) == at_rest).all()  # same lighting: used unchanged
    assert (shown(np.clip(face(0.8) + 8.0, 0, 255).astype(np.uint8)) == at_rest).all()
    fade = 0.3 * at_rest + 0.7 * 255  # nearly white
    lit = shown((0.3 * face(0.8) + 0.7 * 255).astype(np.uint8))
    assert np.abs(lit - fade).mean() < 4 < 0.1 * np.abs(at_rest - fade).mean()
    assert lit[32:].std() < 0.5 * at_rest[32:].std()
    blue = (at_rest * [0.6, 0.8, 1.0]).astype(np.uint8)
    assert np.abs(shown(blue) - blue.astype(int)).mean(axis=(0, 1)).max() < 16


def test_fallbacks_are_named():
    (alone,) = chosen(References("auto", 1, 25), [seen(0, 0.5)])
    assert (alone.shares, alone.fallback) == (((1.0, (0,)),), "itself")
    references = References("auto", 1, 25)
    for k in range(6):
        references.add(0, seen(k, 0.5))
    assert references.choose(0, seen(5, 0.5)).fallback == ""
    assert references.choose(0, seen(6, 0.5, shift=0.3)).fallback == "far"


def test_several_references_differ_in_their_mouths_and_repeat_where_there_are_too_few():
    openings = [0.0, 0.3, 0.9, 0.0, 0.31, 0.9]
    faces = [seen(k, openings[k % 6]) for k in range(24)]
    references = References("auto", 3, 8)
    choice = chosen(references, faces)[0]
    ((share, numbers),) = choice.shares
    assert share == 1.0
    first, second, third = (openings[number % 6] for number in numbers)
    assert first == 0.0
    assert sorted([round(second, 1), third]) == [0.3, 0.9]
    assert [len(shown) for _, shown in references.crops(choice, faces[0].crop, None)] == [3]
    ((_, numbers),) = chosen(References("auto", 3, 25), [seen(0, 0.5)])[0].shares
    assert numbers == (0, 0, 0)


def test_what_is_kept_does_not_grow():
    references = References("auto", 1, 25)
    rng = np.random.default_rng(0)
    for track in range(8):
        for k in range(250):
            one = seen(250 * track + k, float(rng.random()), shift=0.3 * float(rng.random()))
            references.add(track, one)
            references.choose(track, one)
    assert len(references._crops) <= 6 * 35
    assert len(references._banks) <= 6


def test_the_papers_networks_are_shown_the_frame_itself():
    with torch.device("meta"):
        published, wider = Wav2Lip(), Wav2Lip(width=0.5)
        warping = Wav2Lip(head="warp")
    assert reference_choice(None, published) == "itself"
    assert reference_choice("auto", published) == "auto"
    assert {reference_choice(None, model) for model in (wider, warping, Hearing())} == {"auto"}
    assert reference_choice([3, 5], published) == reference_choice("3,5", published) == (3, 5)
    assert reference_choice(0, published) == (0,)


@pytest.mark.parametrize("given", ["", "best", "1,x", "-1", [-2], [1.5], [], [True]])
def test_other_choices_are_refused(given):
    with pytest.raises(ConfigError, match="reference_frames must be auto, itself, or frame"):
        reference_choice(given, Hearing())


# ---------------------------------------------------------------- through the whole of a dub


class Copying(Hearing):
    """A generator that returns its first reference."""

    def __init__(self, references: int = 1) -> None:
        super().__init__()
        self.config["references"] = references

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        assert faces.shape[1] == 3 + 3 * self.config.get("references", 1)
        self.inputs.append((mel.clone(), faces.clone()))
        return faces[:, 3:6]


def talking_frame(k: int) -> np.ndarray:
    picture = frame(k)
    x0, y0, x1, y1 = np.rint(SQUARE).astype(int)
    picture[y0:y1, x0:x1] = cv2.resize(
        face(0.0 if k in REST else 0.3 + 0.1 * (k % 6)), (x1 - x0, y1 - y0)
    )
    return picture


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    path = tmp_path_factory.mktemp("references") / "talking.mp4"
    with VideoWriter(path, 25, (96, 80), crf=1) as video:
        for k in range(25):
            video.write(talking_frame(k))
    return path


def dubbed(face, sound, **options):
    options = {"model": Copying(), "detector": FixedDetector(), "batch_size": 8, **options}
    return list(dub_frames(face, sound, match=False, **options))


def moved(frames) -> float:
    x, y = (SQUARE[:2] + (SQUARE[2:] - SQUARE[:2]) * [0.5, 0.72]).astype(int)
    mouths = np.stack([f.picture[y - 3 : y + 4, x - 3 : x + 4] for f in frames]).astype(float)
    return float(np.abs(np.diff(mouths, axis=0)).mean())


def test_a_generator_that_copies_does_not_replay_the_mouth(talking, sound):
    replayed, rests = (dubbed(talking, sound, reference_frames=how) for how in ("itself", "auto"))
    assert moved(replayed) > 20
    assert moved(rests) < 0.2 * moved(replayed)
    assert {f.references[0].shares for f in rests} == {((1.0, (12,)),)}
    assert [f.references[0].shares for f in replayed] == [((1.0, (k,)),) for k in range(25)]
    assert moved(dubbed(talking, sound)) == moved(rests)  # auto is the default


class Softening(Copying):
    """Copies its reference, a little blurred."""

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        copied = super().forward(mel, faces)
        blurred = torch.nn.functional.avg_pool2d(copied, 3, 1, 1, count_include_pad=False)
        return (copied + blurred) / 2


def test_a_dub_has_the_detail_of_its_references_but_for_the_papers_networks(
    talking, sound, monkeypatch
):
    def contrast(published: bool, match: bool) -> float:
        monkeypatch.setattr(render, "is_published", lambda model: published)
        options = {"model": Softening(), "detector": FixedDetector(), "reference_frames": "itself"}
        frames = dub_frames(talking, sound, match=match, **options)
        x0, _, x1, y1 = np.rint(SQUARE).astype(int)
        chin = next(iter(frames)).picture[y1 - 20 : y1 - 4, x0 + 14 : x1 - 14]
        return float(np.abs(cv2.Laplacian(chin.astype(np.float32), cv2.CV_32F)).mean())

    soft, matched, published = (
        contrast(*how) for how in ((False, False), (False, True), (True, True))
    )
    assert matched > 1.15 * soft
    assert published == pytest.approx(soft, rel=0.05)


def test_frames_that_are_shown_again_have_the_same_references(talking, sound, tmp_path):
    from lipsync.media import write_audio

    long = tmp_path / "long.wav"
    write_audio(long, tone(2.5), 16000)
    frames = dubbed(talking, long, length="pingpong")
    assert len(frames) > 50
    order = [*range(25), *range(23, -1, -1), *range(1, 25)]
    for f, index in zip(frames, order, strict=False):
        assert f.references == frames[index].references


def test_references_that_are_not_at_hand_any_more_are_read_again(talking):
    source = open_source(talking)
    plan = FacePlan(source, Lips(Copying(2)), Options(detector=FixedDetector()))
    shown = [
        PlaybackFrame(k, k / 25, 1 / 25, frame) for k, (_, frame) in enumerate(source.frames())
    ]

    def twice():
        yield from shown
        plan._references[0]._crops.clear()  # as for a shot long past
        yield from shown

    faces = [face for _, (face,) in plan.find(twice())]
    assert len(faces) == 50
    for first, again in zip(faces[:25], faces[25:], strict=True):
        assert again.choice == first.choice
        for (_, before), (_, after) in zip(first.references, again.references, strict=True):
            np.testing.assert_array_equal(after, before)


def test_frames_that_the_user_names(talking, sound, tmp_path):
    model = Copying()
    result = tiny_dub(talking, sound, tmp_path / "o.mp4", model, reference_frames="3")
    assert result.references.frames == [3]
    assert result.as_dict()["references"]["choice"] == [3]
    assert "references: frame 3;" in str(result)
    shown = torch.cat([faces[:, 3:] for _, faces in model.inputs])
    assert (shown == shown[0]).all()
    result = tiny_dub(talking, sound, tmp_path / "p.mp4", Copying(2), reference_frames=[3, 12])
    assert result.references.frames == [3, 12]


@pytest.mark.parametrize("fps", [None, 25])
def test_a_number_that_is_not_in_the_video(talking, sound, fps):
    with pytest.raises(MediaError, match=r"no frame 25 .* 25 frames, numbers 0 to 24"):
        dubbed(talking, sound, reference_frames=[3, 25], fps=fps)


def test_a_named_frame_without_a_face(sound, tmp_path):
    video = make_video(tmp_path / "gap.mp4", 12, hidden=(5,))
    with pytest.raises(MediaError, match="no face found in reference frame 5"):
        dubbed(video, sound, reference_frames=5)


def test_stills_and_videos_of_one_frame_fall_back_to_themselves(sound, tmp_path):
    picture, video = tmp_path / "face.png", make_video(tmp_path / "one.mp4", 1)
    cv2.imwrite(str(picture), frame(0))
    for source in (picture, video):
        for number, how in enumerate((None, "auto", "0")):
            result = tiny_dub(source, sound, tmp_path / f"{number}.mp4", reference_frames=how)
            assert result.references.frames == [0]
            assert result.references.itself == ([] if how == "0" else [(0, result.frames)])
        assert "no other frame to choose" in str(tiny_dub(source, sound, tmp_path / "x.mp4"))
        with pytest.raises(MediaError, match="it has one frame, number 0"):
            dubbed(source, sound, reference_frames="7")


def test_the_references_as_text():
    spans = [(18, 19), (20, 23)]
    used = ReferencesUsed(choice="auto", frames=[1, 2], far=spans)
    assert str(used) == "frames 1, 2, far in pose: 18, 20-22"


def test_the_command(talking, sound, tmp_path, capsys, monkeypatch):
    from lipsync.dubbing import faces, plan

    monkeypatch.setattr(plan, "load_generator", lambda *_: (Copying(), "copying"))
    monkeypatch.setattr(faces, "get_detector", lambda _: FixedDetector())
    out = str(tmp_path / "out.mp4")
    command = ["dub", str(talking), str(sound), "-o", out, "--json", "--reference-frames"]
    cli.main([*command, "3"])
    assert json.loads(capsys.readouterr().out)["references"]["frames"] == [3]
    for given, problem in (("25", "no frame 25"), ("mouth", "--reference-frames must be")):
        with pytest.raises(SystemExit) as error:
            cli.main([*command, given])
        assert error.value.code == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        assert problem in lines[0]


def test_live_sessions_choose_too(talking, sound):
    for how, moves in (("auto", False), ("itself", True), ("4", False)):
        session = LiveSession(
            talking, model=Copying(), detector=FixedDetector(), match=False, reference_frames=how
        )
        frames = [*session.push(tone(1.0)), *session.finish()]
        assert len(frames) == 25
        assert (moved(frames) > 5) is moves
