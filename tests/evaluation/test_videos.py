"""Scoring videos: found, tracked, cropped and scored; failures are reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_media import (
    BOX,
    FixedDetector,
    Loudness,
    bright_and_loud,
    expert,
    talking_video,
)

from lipsync.errors import ConfigError, MediaError
from lipsync.evaluation import Judge, evaluate, find_videos, score_video
from lipsync.evaluation.videos import Scoring, Stretch
from lipsync.faces.crops import steady_box
from lipsync.faces.framing import get_framing
from lipsync.media import HeldFrames, VideoWriter, held, write_audio


def test_videos_are_scored_with_real_ones_beside_them(tmp_path):
    generated, real = tmp_path / "generated", tmp_path / "real"
    for k, shift in enumerate([0, 3]):
        talking_video(generated / f"{k}.mp4", shift=shift)
    talking_video(real / "deep" / "a.mkv")
    calls = []
    report = evaluate(
        [generated], [real], judge=expert(), detector=FixedDetector(),
        progress=lambda *call: calls.append(call),
    )  # fmt: skip
    assert [(row.set, Path(row.video).name) for row in report.rows] == [
        ("generated", "0.mp4"), ("generated", "1.mp4"), ("real", "a.mkv"),
    ]  # fmt: skip
    assert [row.n for row in report.rows] == [56, 56, 56]
    assert [row.offset for row in report.rows] == [0, -3, 0]
    overall = report.overall("generated")
    assert (overall.n, overall.median_offset, overall.within_one.mean) == (2, -1.5, 0.5)
    assert overall.distance.mean == pytest.approx(np.mean([r.distance for r in report.rows[:2]]))
    assert report.judge == "loudness"
    assert [call[1:] for call in calls] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_score_does_not_depend_on_the_volume(tmp_path):
    faces, wave = bright_and_loud(60)
    scores = []
    for volume in (0.3, 0.1, 0.04):
        with VideoWriter(tmp_path / "a.mkv", 25, (96, 80), audio=volume * wave, crf=8) as video:
            for face in faces:
                video.write(np.full((80, 96, 3), max(face[0, 0, 0], 20), np.uint8))
        scored = score_video(tmp_path / "a.mkv", expert(), FixedDetector()).result
        scores.append((scored.distance, scored.confidence))
    assert scores[1:] == [pytest.approx(scores[0], abs=0.01)] * 2


def test_a_video_of_another_rate_is_brought_to_25(tmp_path):
    faces, wave = bright_and_loud(75)
    with VideoWriter(tmp_path / "fast.mp4", 50, (96, 80), audio=wave, crf=8) as video:
        for k in range(150):
            video.write(np.full((80, 96, 3), max(faces[k // 2, 0, 0, 0], 20), np.uint8))
    report = evaluate(
        [tmp_path / "fast.mp4"], [tmp_path / "fast.mp4"], judge=expert(), detector=FixedDetector()
    )
    assert (report.rows[0].n, report.rows[0].offset) == (71, 0)


def test_the_longest_stretch_with_a_face_is_scored_at_its_own_sound(tmp_path):
    path = talking_video(tmp_path / "a.mp4", 75, shift=2, hidden=range(12, 20))
    report = evaluate([path], [path], judge=expert(), detector=FixedDetector(), stride=1)
    assert (report.rows[0].n, report.rows[0].offset) == (75 - 20 - 4, -2)


def test_what_cannot_be_scored_is_named_and_left_out(tmp_path):
    good = talking_video(tmp_path / "good.mp4")
    faceless = talking_video(tmp_path / "faceless.mp4", hidden=range(60))
    (tmp_path / "broken.mp4").write_text("not a video")
    with VideoWriter(tmp_path / "silent.mp4", 25, (96, 80)) as video:
        for _ in range(20):
            video.write(np.full((80, 96, 3), 99, np.uint8))
    brief = talking_video(tmp_path / "brief.mp4", 4)
    paths = [faceless, tmp_path / "broken.mp4", tmp_path / "silent.mp4", brief, good]
    report = evaluate(paths, [good], judge=expert(), detector=FixedDetector())
    problems = {Path(row.video).stem: row.problem for row in report.rows if row.set == "generated"}
    assert problems["faceless"] == "no face found in 60 frames"
    assert "not a video" in problems["broken"]
    assert "no sound" in problems["silent"]
    assert "too short for one window" in problems["brief"]
    assert problems["good"] == ""
    overall = report.overall("generated")
    assert (overall.n, overall.left_out) == (1, 4)
    assert overall.distance == report.overall("real").distance
    assert set(report.problems()) == {str(path) for path in paths[:4]}
    report.check()
    none = evaluate([faceless], [good], judge=expert(), detector=FixedDetector())
    assert none.overall("generated").distance is None
    with pytest.raises(ConfigError, match=r"none of 1 generated videos .* no face found"):
        none.check()


def test_empty_sets_and_missing_paths_are_errors(tmp_path):
    good = talking_video(tmp_path / "good.mp4", 20)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="no real videos"):
        evaluate([good], [], judge=expert(), detector=FixedDetector())
    with pytest.raises(MediaError, match="nothing: contains no video"):
        find_videos([tmp_path / "nothing"])
    with pytest.raises(MediaError, match=r"missing\.mp4: no such file"):
        find_videos([tmp_path / "missing.mp4"])


def test_crops_of_faces_are_scored_whole(tmp_path):
    """The protocol of cropped sets needs no face detection."""
    path = talking_video(tmp_path / "a.mp4", shift=1, hidden=range(60))
    options = {"judge": expert(), "detector": FixedDetector(), "protocol": "cropped"}
    report = evaluate([path], [path], **options)
    assert (report.rows[0].n, report.rows[0].offset) == (56, -1)
    assert report.protocol.startswith("cropped-1: ")
    with pytest.raises(ConfigError, match="protocol must be one of wild, cropped, got 'tame'"):
        evaluate([path], [path], **options | {"protocol": "tame"})


def test_the_protocols_are_named_with_their_versions(tmp_path):
    path = talking_video(tmp_path / "a.mp4", 20)
    report = evaluate([path], [path], judge=expert(), detector=FixedDetector())
    wild, judge = report.protocol.split("; ")
    assert wild.startswith("wild-1: ")
    assert judge.startswith("judge-1: ")
    assert "judge: loudness (wild-1, judge-1)" in report.table()


def test_pictures_are_measured_on_the_steady_square(tmp_path):
    """A flickering checkerboard in the lower half of the square: sharp and jittery."""
    _, top, _, bottom = steady_box(np.repeat(BOX[None], 3, axis=0))
    flicker, calm = tmp_path / "flicker.mp4", tmp_path / "calm.mp4"
    _, wave = bright_and_loud(40)
    for path, period in ((flicker, 2), (calm, 100)):
        with VideoWriter(path, 25, (96, 80), audio=wave, crf=1) as video:
            for k in range(40):
                picture = np.full((80, 96, 3), 128, np.uint8)
                board = np.add.outer(np.arange(80) // 4, np.arange(96) // 4) % 2 == 0
                board[: int((top + bottom) / 2)] = False
                picture[board] = 90 if k % period else 160
                video.write(picture)
    looks = {}
    for path in (flicker, calm):
        report = evaluate([path], [path], judge=expert(), detector=FixedDetector(), stride=1)
        looks[path] = report.rows[0].picture
    assert looks[flicker]["jitter"] > 20 > 5 > looks[calm]["jitter"]
    assert looks[calm]["sharpness"] > 50
    assert looks[calm]["seam"] > 1.5  # the board starts at the middle row


def test_faces_are_cropped_by_the_judge_s_own_framing(tmp_path):
    class Marked(FixedDetector):
        marks = np.array([[36, 30], [60, 34], [48, 44], [38, 54], [58, 56]], np.float32)

        def detect(self, frame):
            return [replace(face, landmarks=self.marks) for face in super().detect(frame)]

    path, network = talking_video(tmp_path / "a.mp4", 40), Loudness(15)
    for name in ("box", "following", "aligned", "aligned_tight"):
        network.config["framing"] = name
        judge = Judge(network, name)
        stretch = Scoring(judge, Marked()).stretch(path)
        expected = get_framing(name).transforms(
            np.repeat(BOX[None], 40, axis=0), np.repeat(Marked.marks[None], 40, axis=0)
        )
        np.testing.assert_allclose(stretch.places, expected, atol=1e-4)
        frame = next(stretch.frames())
        shown = next(stretch.crops(judge.face_size))
        np.testing.assert_array_equal(shown, get_framing(name).cut(frame, expected[0], 32))
        assert score_video(path, judge, Marked()).windows == 40 - 14
    report = evaluate([path], [path], judge=judge, detector=FixedDetector())
    assert "framing aligned_tight needs landmarks" in report.rows[0].problem


def test_several_sounds_cost_one_reading(tmp_path):
    path = talking_video(tmp_path / "a.mp4", 60)
    judge, seen = expert(), []
    stretch = Scoring(judge, FixedDetector()).stretch(path)
    _, wave = bright_and_loud(60)
    _, other = bright_and_loud(60, seed=3)
    found = Scoring(judge, FixedDetector()).measure(
        stretch, [wave, other], lambda part: seen.append(len(part))
    )
    assert sum(seen) == 56
    assert found.scores[0].result.distance < 0.6 * found.scores[1].result.distance
    assert len(found.pictures) == 2
    with pytest.raises(MediaError, match=r"a\.mp4: .*too short for one window"):
        Scoring(judge, FixedDetector()).measure(Stretch(HeldFrames(path)), [wave[:100]])


def test_a_video_is_decoded_once_unless_it_is_large(tmp_path, monkeypatch):
    path, times = talking_video(tmp_path / "a.mp4", 12), []
    decode = held.read_frames

    def counted(path):
        times.append(path)
        return decode(path)

    monkeypatch.setattr(held, "read_frames", counted)
    kept = HeldFrames(path)
    next(iter(kept))  # iterating only the start keeps nothing
    first, second = np.stack(list(kept)), np.stack(list(kept))
    np.testing.assert_array_equal(first, second)
    assert (len(first), len(times)) == (12, 2)
    large = HeldFrames(path, held_bytes=first.nbytes - 1)
    for _ in range(2):
        np.testing.assert_array_equal(np.stack(list(large)), first)
    assert len(times) == 4


def test_memory_does_not_grow_with_the_video(tmp_path):
    """Twice the length must not need more memory."""

    class Counting(Judge):
        most = 0

        def _face_windows(self, faces):
            Counting.most = max(Counting.most, len(faces))
            return super()._face_windows(faces)

    judge = Counting(expert().model, batch_size=16)
    found = [
        score_video(talking_video(tmp_path / f"{n}.mp4", n), judge, FixedDetector())
        for n in (50, 120)
    ]
    assert Counting.most == 20  # sixteen windows
    assert [one.windows for one in found] == [46, 116]


def test_sound_files_are_no_videos(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros(3200, np.float32))
    with pytest.raises(MediaError, match="contains no video"):
        find_videos([tmp_path])
