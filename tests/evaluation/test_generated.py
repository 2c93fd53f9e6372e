"""A generator on pairs: all sets, a killed run that resumes, pairs that fail."""

import json
import shutil

import numpy as np
import pytest
import torch
from evaluation_media import FixedDetector, bright_and_loud, expert, talking_video
from torch import nn

from lipsync.checkpoints import fingerprint
from lipsync.errors import ConfigError, LipsyncError
from lipsync.evaluation import compare, evaluate_generator, html_report, load_report
from lipsync.evaluation import pair as one_pair
from lipsync.evaluation.folder import RunFolder
from lipsync.evaluation.lists import Pair
from lipsync.features import Mel
from lipsync.media import VideoWriter, write_audio


class Painter(nn.Module):
    """Paints the lower half as bright as the sound is loud: a generator that needs no training."""

    def __init__(self, listens: bool = True) -> None:
        super().__init__()
        self.config = {"image_size": 32, "feature": Mel(lead=2).record}
        self.listens = nn.Parameter(torch.tensor(float(listens)), requires_grad=False)

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        power = 10 ** (mel[:, 0, :, 7:9].mean(dim=(1, 2)) * 100 / 8 / 20)
        bright = ((power / 3.45 - 0.09) * self.listens).clamp(0, 1)
        painted = faces[:, 3:].clone()
        painted[..., 16:, :] = (
            painted[..., 16:, :] * (1 - self.listens) + bright[:, None, None, None]
        )
        return painted


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> list[Pair]:
    """Three faces; the first two get the next one's speech, the last its own."""
    folder = tmp_path_factory.mktemp("faces")
    for k in range(3):
        faces, wave = bright_and_loud(40, seed=k)
        with VideoWriter(folder / f"{k}.mp4", 25, (96, 80), audio=wave, crf=8) as video:
            for face in faces:
                picture = np.full((80, 96, 3), face[0, 0, 0], np.uint8)
                picture[:40, ::2] = 200  # some texture in the upper half
                picture[:8, :8] = 128
                video.write(picture)
    return [
        Pair(folder / f"{face}.mp4", folder / f"{voice}.mp4", f"{face} + {voice}")
        for face, voice in ((0, 1), (1, 2), (2, 2))
    ]


def run(pairs, output, model=None, **options):
    model = model or Painter()
    return evaluate_generator(
        model, pairs, output, judge=expert(), detector=FixedDetector(), **options
    )


@pytest.fixture(scope="module")
def whole(pairs, tmp_path_factory):
    """The report of all pairs, and the progress calls."""
    calls = []
    output = tmp_path_factory.mktemp("whole")
    return run(pairs, output, progress=lambda *call: calls.append(call)), calls


@pytest.fixture
def _without_likeness(monkeypatch):
    """Skip likeness, which takes most of the time."""
    for name in ("likeness", "earlier_mouth"):
        monkeypatch.setattr(f"lipsync.evaluation.pair.{name}", lambda *_: {})


def test_every_pair_is_scored_in_every_way(whole):
    report, calls = whole
    assert {kind: len(report.scored_rows(kind)) for kind in report.sets} == {
        "generated": 3, "swapped_audio": 3, "old_speech": 2, "silent_input": 3,
        "covered_mouth": 2, "other_references": 3,
        "copied_reference": 3, "own_speech": 2, "re_encoded": 3, "real": 3,
    }  # fmt: skip
    found = {kind: report.overall(kind) for kind in report.sets}
    assert found["real"].within_one.mean == 1
    assert found["generated"].distance.mean < 0.8 * found["swapped_audio"].distance.mean
    # A face with another's sound is wrong; with its own, in the third pair, it is the real one.
    copied, real = report.scored_rows("copied_reference"), report.scored_rows("real")
    assert copied[0].distance > 1.2 * real[0].distance
    assert copied[2].distance == real[2].distance
    # the second pair's swapped speech is its old one; the third has no old speech
    counts = {leak["name"]: leak["dubs"]["n"] for leak in report.as_dict()["leakage"]}
    assert (counts["old_speech_found"], counts["third_speech_found"]) == (2, 1)
    assert report.frechet["generated"] == sum(row.n for row in report.scored_rows("generated"))
    assert report.frechet["network"] == "faces as loudness embeds them"
    assert report.settings["pairs"] == 3
    assert [call[1:] for call in calls] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_likeness_stands_between_its_references(whole):
    report, _ = whole
    psnr = {
        kind: [row.picture.get("psnr_lower") for row in report.scored_rows(kind)]
        for kind in report.sets
    }
    assert psnr["generated"][:2] == [None, None]  # no ground truth for another's speech
    assert psnr["swapped_audio"][2] is None  # its own speech: nothing was made with another
    own = [*psnr["own_speech"], psnr["generated"][2]]
    assert psnr["real"] == [100, 100, 100]
    assert min(psnr["re_encoded"]) > max(own) > min(own) > max(psnr["swapped_audio"][:2])
    assert min(own) > max(psnr["copied_reference"]) + 3  # another moment's mouth
    made = report.scored_rows("own_speech")[0].picture
    assert {"psnr", "ssim", "ssim_lower", "ms_ssim", "ms_ssim_lower", "seam"} <= set(made)


@pytest.mark.usefixtures("_without_likeness")
def test_a_generator_that_does_not_listen_is_found_out(pairs, tmp_path):
    report = run(pairs[:2], tmp_path / "out", Painter(listens=False), reference_frames="itself")
    generated, copied = report.scored_rows("generated"), report.scored_rows("copied_reference")
    for made, face in zip(generated, copied, strict=True):
        assert made.distance == pytest.approx(face.distance, rel=0.1)


def test_a_run_that_is_killed_goes_on_to_the_same_report(pairs, whole, tmp_path, monkeypatch):
    dubs, dub = [], one_pair.dub

    def killed(*args, **options):
        dubs.append(args)
        if len(dubs) == 9:  # within the second pair, its dub made
            raise KeyboardInterrupt
        return dub(*args, **options)

    output = tmp_path / "again"
    monkeypatch.setattr(one_pair, "dub", killed)
    with pytest.raises(KeyboardInterrupt):
        run(pairs, output)
    left = output / "dubbed" / ".0123456789ab.mp4"  # as left by a killed writer
    left.write_bytes(b"half")
    again = run(pairs, output)
    assert json.dumps(again.as_dict()) == json.dumps(whole[0].as_dict())
    assert len(dubs) == 14  # five of the first pair, three of the second, and what was missing
    assert not left.exists()
    run(pairs, output)
    assert len(dubs) == 14


@pytest.mark.usefixtures("_without_likeness")
def test_a_folder_of_other_settings_is_refused(pairs, tmp_path):
    run(pairs[:1], tmp_path / "out")
    with pytest.raises(ConfigError, match=r"other settings \(vshift 15 there, 9 now\)"):
        run(pairs[:1], tmp_path / "out", vshift=9)
    with pytest.raises(ConfigError, match=r"model_weights .* there, .* now"):
        run(pairs[:1], tmp_path / "out", Painter(listens=False))
    with pytest.raises(ConfigError, match=r"pairs 1 there, 2 now"):
        run(pairs[:2], tmp_path / "out")
    with pytest.raises(ConfigError, match="no pairs to evaluate"):
        run([], tmp_path / "none")


def test_settings_that_are_gone_are_other_settings(tmp_path):
    RunFolder(tmp_path, {"stride": 1, "recogniser": "abc"})
    RunFolder(tmp_path, {"stride": 1, "recogniser": "abc"})
    with pytest.raises(ConfigError, match=r"other settings \(recogniser abc there, None now\)"):
        RunFolder(tmp_path, {"stride": 1})


@pytest.mark.usefixtures("_without_likeness")
def test_a_pair_that_failed_is_tried_again(pairs, tmp_path, monkeypatch):
    def full(*args, **options):
        raise LipsyncError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(one_pair, "dub", full)
        failed = run(pairs[:1], tmp_path / "out")
    assert {row.problem for row in failed.rows} == {"No space left on device"}
    assert not any(row.problem for row in run(pairs[:1], tmp_path / "out").rows)


@pytest.mark.usefixtures("_without_likeness")
def test_a_judge_that_trained_the_generator_is_refused(pairs, tmp_path):
    def with_record(frozen=None):
        model = Painter()
        model.card = {} if frozen is None else {"frozen": frozen}
        return model

    another = with_record({"sync": ["another network"]})
    report = run(pairs[:1], tmp_path / "another", another)
    assert (report.settings["judge_trained_model"], report.independence) == ("no", "")
    report = run(pairs[:1], tmp_path / "unknown", with_record())
    told = "note: Painter has no record of whether loudness took part in its training"
    assert report.independence == told
    assert told in report.table()
    assert f"<p class=note>{told}" in html_report(report)

    trained = with_record({"look": [], "sync": [fingerprint(expert().model)]})
    with pytest.raises(ConfigError, match=r"judge loudness trained Painter \(model.loss.sync\)"):
        run(pairs[:1], tmp_path / "out", trained)
    assert not (tmp_path / "out").exists()
    report = run(pairs[:1], tmp_path / "out", trained, allow_training_judge=True)
    assert report.settings["judge_trained_model"] == "yes"
    told = "WARNING: loudness trained Painter: it overrates its dubs"
    assert told in report.table()
    assert report.as_dict()["independence"].startswith(told)
    assert f"<p class=warning>{told}" in html_report(report)
    report.save(tmp_path / "saved")
    assert compare(load_report(tmp_path / "saved"), report).count(told) == 1


@pytest.mark.usefixtures("_without_likeness")
def test_pairs_that_cannot_be_done_are_named_and_left_out_of_all_sets(pairs, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    faceless = talking_video(tmp_path / "faceless.mp4", 30, hidden=range(30))
    write_audio(tmp_path / "brief.wav", np.full(800, 0.1, np.float32))
    bad = [
        Pair(tmp_path / "text.mp4", pairs[0].audio, "text"),
        Pair(pairs[0].video, tmp_path / "missing.mp4", "missing"),
        Pair(faceless, pairs[0].audio, "faceless"),
        Pair(pairs[0].video, tmp_path / "brief.wav", "brief"),
    ]
    report = run([*bad, pairs[0], pairs[1]], tmp_path / "out")
    problems = report.problems()
    assert list(problems) == ["text", "missing", "faceless", "brief"]
    assert "text.mp4: not a video" in problems["text"]
    assert "missing.mp4: no such file" in problems["missing"]
    assert "faceless.mp4: no face found in 30 frames" in problems["faceless"]
    assert "brief.wav: its sound lasts 0.05 s" in problems["brief"]
    for kind in report.sets:
        assert (report.overall(kind).n, report.overall(kind).left_out) == (2, 4)
    report.check()
    again = run([*bad, pairs[0], pairs[1]], tmp_path / "out")
    assert json.dumps(again.as_dict()) == json.dumps(report.as_dict())
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(ConfigError, match="none of 4 generated videos could be scored"):
        run(bad, tmp_path / "out").check()
