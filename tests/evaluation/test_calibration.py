"""Calibration of a judge: fitted, stored in the judge's file, and shown in reports."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_media import FixedDetector, Loudness, bright_and_loud, talking_video

from lipsync.audio import SAMPLE_RATE
from lipsync.checkpoints import describe, load_model, save_model
from lipsync.data.store import write_clip, write_split
from lipsync.errors import CheckpointError, ConfigError
from lipsync.evaluation import (
    Calibration,
    Judge,
    as_judge,
    calibrate,
    calibrate_file,
    calibration_table,
    evaluate,
    html_report,
    load_report,
)
from lipsync.evaluation.calibration import fit, reliability
from lipsync.evaluation.videos import Scoring
from lipsync.faces.detect import get_detector
from lipsync.media import read_audio
from lipsync.models import SyncNet, SyncNetV2

GIVEN = Calibration(5, (-6.0, 20.0, 0.5), (20, 70), 0.9, ["ann"], 12, "speakers")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Twelve clips in sync, of three speakers."""
    root = tmp_path_factory.mktemp("set")
    keys = [f"{who}/{n}" for who in ("anna", "ben", "carl") for n in range(4)]
    for seed, key in enumerate(keys):
        faces, wave = bright_and_loud(75, seed=seed)
        write_clip(root, key, faces=faces, wave=wave, info={"framing": "box"})
    write_split(root, "val", keys)
    write_split(root, "few", keys[:3])
    write_split(root, "one", keys[:1] * 8)
    return root


@pytest.fixture(scope="module")
def found(root) -> Calibration:
    return calibrate(Judge(Loudness(), "loudness"), root)


def test_the_probability_is_the_one_that_the_clips_were_drawn_with():
    rng = np.random.default_rng(0)
    confidence, windows = rng.uniform(0, 1, 4000), rng.integers(20, 200, 4000)
    truth = 1 / (1 + np.exp(-(-9 + 8 * confidence + 1.2 * np.log(windows))))
    weights = fit(confidence, windows, rng.uniform(size=4000) < truth)
    one = replace(GIVEN, weights=tuple(weights), windows=(20, 200))
    for c, n in [(0.2, 30), (0.5, 60), (0.9, 150)]:
        expected = 1 / (1 + np.exp(-(-9 + 8 * c + 1.2 * np.log(n))))
        assert one.probability(c, n) == pytest.approx(expected, abs=0.04)
    # separable data give finite weights
    weights = fit(np.array([0.1, 0.2, 0.8, 0.9]), np.full(4, 50), np.array([0, 0, 1, 1]))
    assert np.isfinite(weights).all()
    assert weights[1] > 0


def test_a_verdict_is_of_the_offset_and_of_how_sure_it_is():
    assert [GIVEN.in_sync(offset, 0.9, 60) for offset in (0, 1, -1, 2, -9)] == [
        "yes", "yes", "yes", "no", "no",
    ]  # fmt: skip
    assert GIVEN.in_sync(0, 0.1, 60) == GIVEN.in_sync(-9, 0.1, 60) == "unsure"
    assert GIVEN.probability(0.2, 5) == GIVEN.probability(0.2, 20)  # clamped to the fit's range
    assert GIVEN.probability(0.2, 60) > GIVEN.probability(0.2, 30)
    assert Calibration.from_card({"calibration": GIVEN.as_dict()}, 5) == GIVEN
    assert Calibration.from_card({"calibration": GIVEN.as_dict()}, 15) is None
    assert Calibration.from_card({}, 5) is None
    with pytest.raises(ConfigError, match="repeat it with `lipsync calibrate`"):
        Calibration.from_card({"calibration": {"window": 5, "limit": 3}}, 5)


def test_the_share_right_against_what_was_stated():
    stated, right = [0.1, 0.3, 0.85, 0.97, 0.97, 1.0], [False, True, True, True, False, True]
    assert reliability(stated, right) == [
        {"from": 0.0, "to": 0.5, "n": 2, "stated": 0.2, "right": 0.5},
        {"from": 0.8, "to": 0.9, "n": 1, "stated": 0.85, "right": 1.0},
        {"from": 0.95, "to": 1.0, "n": 3, "stated": 0.98, "right": 0.6667},
    ]


def test_a_calibrated_judge_does_not_tell_offsets_of_what_is_not_heard_or_seen(found):
    assert (found.people, found.clips, found.left_out) == (["anna", "ben", "carl"], 12, "speakers")
    whole = found.errors[-1]
    assert (whole.clips, whole.wrong, whole.taken) == (12, 0, 0)
    assert whole.unsure < 0.1
    judge = Judge(Loudness(), "loudness")
    faces, wave = bright_and_loud(75, seed=50)
    _, late = bright_and_loud(75, 5, seed=50)
    _, other = bright_and_loud(75, seed=51)
    hiss = 0.05 * np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32)
    still = np.repeat(faces[30:31], 75, axis=0)

    def verdict(faces, wave):
        (scored,) = judge.score(faces, [wave])
        return found.in_sync(scored.result.offset, scored.result.confidence, scored.windows)

    assert (verdict(faces, wave), verdict(faces, late)) == ("yes", "no")
    assert verdict(faces, other) == "unsure"
    assert verdict(faces, hiss) == verdict(faces, np.zeros_like(wave)) == "unsure"  # no speech
    assert verdict(still, wave) == "unsure"  # the mouth does not move


def test_a_bundled_expert_is_not_sure_of_generated_people_who_are_silent_or_not_seen(
    generated_people,
):
    judge, detector = as_judge("syncnet-open"), get_detector("centerface")
    waves = [read_audio(path, SAMPLE_RATE) for path in generated_people]
    for number, path in enumerate(generated_people):
        stretch = Scoring(judge, detector).stretch(path)
        faces = list(stretch.crops(judge.face_size))
        others = [waves[(number + 1) % 3], np.zeros_like(waves[0])]
        scores = judge.score(faces, others)
        scores += judge.score([faces[0]] * len(faces), [waves[number]])
        for scored in scores:
            told = scored.result.offset, scored.result.confidence, scored.windows
            assert judge.calibration.in_sync(*told) == "unsure"


def test_it_stays_with_the_weights(root, tmp_path):
    network = SyncNet(width=0.1, depth=0)
    path = tmp_path / "judge.safetensors"
    save_model(network, path, {"calibration": GIVEN.as_dict(), "licence": "mine"}, half=True)
    before = load_model(path)
    assert as_judge(str(path)).calibration == GIVEN
    save_model(load_model(path), tmp_path / "again.safetensors")
    assert as_judge(str(tmp_path / "again.safetensors")).calibration == GIVEN

    found = calibrate_file_of_anything(path, root)
    assert as_judge(str(path)).calibration == found
    after, card = load_model(path), json.loads((tmp_path / "judge.safetensors.json").read_text())
    assert card["calibration"]["people"] == ["anna", "ben", "carl"]
    assert (card["licence"], card["dtype"]) == ("mine", "float16")
    assert card["sha256"] == describe(path)["sha256"]
    for name, value in before.state_dict().items():
        assert (after.state_dict()[name] == value).all()


def calibrate_file_of_anything(path: Path, root: Path) -> Calibration:
    """An untrained judge is useless, so its scores are replaced."""
    with pytest.MonkeyPatch.context() as patch:
        stand_in = Judge(Loudness(), "loudness")
        patch.setattr("lipsync.evaluation.calibrating.as_judge", lambda *_: stand_in)
        return calibrate_file(str(path), root)


def test_what_cannot_be_calibrated(root, tmp_path):
    judge = Judge(Loudness(), "loudness")
    with pytest.raises(
        ConfigError, match="3 of 3 clips can be scored, but calibration needs at least 8"
    ):
        calibrate(judge, root, ["few"])
    with pytest.raises(ConfigError, match=r"level=1.5: must be a probability"):
        calibrate(judge, root, level=1.5)
    with pytest.raises(ConfigError, match=r"none\.txt: no such split list"):
        calibrate(judge, root, ["none"])
    with pytest.raises(CheckpointError, match=r"best.ckpt: has no card .* with -o"):
        calibrate_file("best.ckpt", root)

    class Deaf(Loudness):
        def embed_audio(self, mel):
            return 0 * super().embed_audio(mel)

    with pytest.raises(ConfigError, match="the confidence of judge deaf does not predict"):
        calibrate(Judge(Deaf(), "deaf"), root)


def test_one_speaker_is_left_out_by_clips(root):
    found = calibrate(Judge(Loudness(), "loudness"), root, ["one", "one"])
    assert (found.people, found.left_out) == (["anna"], "clips")
    found = calibrate(Judge(Loudness(), "loudness"), root, without=["anna"])
    assert (found.people, found.clips) == (["ben", "carl"], 8)


def test_the_table(found):
    lines = calibration_table(found).splitlines()
    assert lines[0].startswith("accepted from probability 0.9; calibrated on 12 clips of anna, ben")
    assert lines[1].split("  ")[0] == "length"
    assert [line.split()[0] for line in lines[3:5]] == ["1.0", "2.0"]
    assert [line.split()[2] for line in lines[3:6]] == ["12"] * 3


def test_reports_say_which_real_videos_are_in_sync(found, tmp_path):
    judge = Judge(Loudness(), "loudness")
    videos = [
        talking_video(tmp_path / "right.mp4", 75),
        talking_video(tmp_path / "late.mp4", 75, shift=6),
    ]
    plain = evaluate(videos[:1], videos, judge=judge, detector=FixedDetector())
    assert plain.in_sync == {}
    assert "in_sync" not in plain.table()
    judge.calibration = found
    report = evaluate(videos[:1], videos, judge=judge, detector=FixedDetector())
    verdicts = {Path(video).name: verdict for video, (verdict, _) in report.in_sync.items()}
    assert verdicts == {"right.mp4": "yes", "late.mp4": "no"}
    table = report.table()
    assert "real videos in sync: 1 yes, 1 no, 0 unsure; " in table
    assert "0.50 within a frame (n 2)" in table
    assert [line.split()[-1] for line in table.splitlines() if "late.mp4" in line] == ["no"]
    report.save(tmp_path / "out")
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        assert [row["in_sync"] for row in csv.DictReader(file)] == ["", "yes", "no"]
    content = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert content["in_sync"][str(videos[1])]["verdict"] == "no"
    assert load_report(tmp_path / "out") == report
    page = html_report(report)
    assert "Are the real videos in sync?" in page
    assert "<summary>1 in sync, 1 not, 0 unsure</summary>" in page
    assert page.count("<svg") == html_report(plain).count("<svg") + 1
    assert replace(report, vshift=9).in_sync == {}  # calibrated for another range


def test_a_judge_of_other_windows_is_not_calibrated():
    network = SyncNetV2(image_size=112, width=0.1, framing="box")
    network.card = {"calibration": GIVEN.as_dict() | {"window": 15}}
    assert Judge(network).calibration is None
