"""Sub-frame offsets are found, to within a tenth or two of a frame."""

import numpy as np
import pytest
from evaluation_media import FixedDetector, bright_and_loud, expert, talking_video

from lipsync.audio import SAMPLE_RATE
from lipsync.evaluation import as_judge, evaluate
from lipsync.evaluation.videos import Scoring
from lipsync.faces.detect import get_detector
from lipsync.media import read_audio

FRAME = SAMPLE_RATE // 25
SHIFTS = (-2.5, -1.7, -0.9, -0.3, 0.0, 0.4, 1.2, 2.5)


def later(wave: np.ndarray, frames: float) -> np.ndarray:
    """The sound delayed by so many frames, padded with silence."""
    samples = round(frames * FRAME)
    silence = np.zeros(abs(samples), np.float32)
    if samples >= 0:
        return np.concatenate([silence, wave])[: len(wave)]
    return np.concatenate([wave[-samples:], silence])


def errors(scores: list) -> np.ndarray:
    """Residuals after subtracting the shifts and the clip's own offset."""
    for scored in scores:
        assert abs(scored.result.fine_offset - scored.result.offset) <= 0.5
    left = np.array([scored.result.fine_offset for scored in scores]) + SHIFTS
    return left - left.mean()


def test_a_judge_of_brightness_and_loudness():
    faces, wave = bright_and_loud(150)
    left = errors(expert().score(faces, [later(wave, shift) for shift in SHIFTS]))
    assert np.sqrt(np.mean(left**2)) < 0.15  # whole frames would give 0.29


def test_a_bundled_expert_on_the_generated_corpus(generated_people):
    judge, detector = as_judge("syncnet-open"), get_detector("centerface")
    left = []
    for path in generated_people:
        stretch = Scoring(judge, detector).stretch(path)
        wave = read_audio(path, SAMPLE_RATE)
        sounds = [stretch.sound(later(wave, shift)) for shift in SHIFTS]
        left.append(errors(judge.score(stretch.crops(judge.face_size), sounds)))
    assert np.median(np.abs(left)) < 0.12  # whole frames would give 0.25


def test_videos_get_it_beside_the_whole_one(tmp_path):
    video = talking_video(tmp_path / "late.mp4", shift=3)
    report = evaluate([video], [video], judge=expert(), detector=FixedDetector())
    row = report.scored_rows("real")[0]
    assert row.offset == -3
    assert row.fine_offset == pytest.approx(-3, abs=0.4)
    assert report.as_dict()["overall"]["real"]["median_fine_offset"] == row.fine_offset
