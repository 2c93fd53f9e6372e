"""Dubs of known quality: the benchmark ranks them and names their faults."""

from pathlib import Path

import numpy as np
import pytest

from lipsync.evaluation import bench
from lipsync.evaluation.benchmark.measures import MEASURES, OLD_VIDEO, RECOMPRESSED
from lipsync.media import VideoWriter, write_audio
from lipsync.sample.corpus import make_clip
from lipsync.sample.head import HeadRenderer, random_motion
from lipsync.sample.looks import random_look

SPEAKERS, SECONDS, SIZE = 8, 3.0, 240
DISTANCE = next(m for m in MEASURES if m.name == "distance")
pytestmark = pytest.mark.slow


def film(path: Path, speaker: int, mouth: np.ndarray, wave: np.ndarray) -> None:
    """A speaker's head with fixed light and movement, and this mouth."""
    setting, motion = (np.random.default_rng([0, 5 + k, speaker, 0]) for k in range(2))
    head = HeadRenderer(random_look(0, speaker), setting, SIZE)
    with VideoWriter(path, 25, (SIZE, SIZE), audio=wave, threads=1) as video:
        for shape, state in zip(mouth, random_motion(motion, len(mouth)), strict=True):
            video.write(head.render(shape, state, tuple(motion.integers(0, 32, 2))))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    root = tmp_path_factory.mktemp("planted")
    (root / "sound").mkdir()
    for k in range(SPEAKERS):
        old, new, other = (make_clip(0, k, clip, SECONDS, SIZE) for clip in range(3))
        rest = np.zeros_like(old.mouth) + old.mouth[:1]
        film(root / "real" / f"{k}.mp4", k, old.mouth, old.wave)
        write_audio(root / "sound" / f"{k}.wav", new.wave)
        dubs = {
            "true": new.mouth,
            "half": (new.mouth + old.mouth) / 2,
            "random": other.mouth,
            "frozen": rest,
            "copy": old.mouth,
        }
        for system, mouth in dubs.items():
            film(root / system / f"{k}.mp4", k, mouth, new.wave)
        for system, mouth in {"true": rest, "copy": old.mouth}.items():
            film(root / system / "silent" / f"{k}.mp4", k, mouth, 0 * new.wave)
    return bench(root, root / "out")


def test_they_stand_in_their_order(result):
    assert not result.left_out
    assert not result.as_report.warning
    order = ["real", "true", "half"]
    means = [result.mean(kind, DISTANCE).mean for kind in order]
    assert means == sorted(means)
    unrelated = [result.mean(kind, DISTANCE) for kind in ("random", "frozen", OLD_VIDEO)]
    assert all(one.low > means[2] for one in unrelated)
    for kind in RECOMPRESSED:  # a codec moves the distance by less than half an old mouth does
        assert abs(result.mean(kind, DISTANCE).mean - means[0]) < (means[2] - means[0]) / 2
    assert not result.drift_dominates(DISTANCE)
    kinds = ["real", *RECOMPRESSED]
    sharpness = [np.mean([*result.values(kind, "sharpness").values()]) for kind in kinds]
    assert sharpness == sorted(sharpness, reverse=True)
    real, worst = (result.mean(kind, DISTANCE) for kind in ("real", OLD_VIDEO))
    assert real.high < worst.low
    assert result.mean("frozen", DISTANCE).mean > worst.mean
    assert result.mean("copy", DISTANCE).mean == pytest.approx(worst.mean, abs=0.01)
    found = result.comparisons["random", "true"]["distance"]
    assert found.clear
    assert found.difference.mean < 0


def test_what_is_wrong_with_them_is_said(result):
    assert result.findings("true") == []
    told = {system: " ".join(result.findings(system)) for system in result.systems}
    for system in ("random", "frozen", "copy"):
        assert "no better than the old video under the new sound" in told[system]
    assert "hardly moves the mouth" in told["frozen"]
    for words in ("keeps the old mouth", "moves like the old mouth", "under silence"):
        assert words in told["copy"]
    # seven of eight clips are too few to detect half an old mouth
    assert np.mean([*result.values("half", "old_speech_found").values()]) >= 0.75
    assert np.mean([*result.values("half", "new_speech_found").values()]) == 1
