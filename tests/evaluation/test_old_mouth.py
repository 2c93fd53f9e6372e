"""Leakage through whole dubs, with planted generators that copy, rest or follow the sound."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_media import FixedDetector, Loudness, bright_and_loud
from torch import nn

from lipsync.errors import ConfigError
from lipsync.evaluation import Judge, compare, evaluate_generator, html_report
from lipsync.evaluation.lists import Pair
from lipsync.features import Mel
from lipsync.media import VideoWriter

GREY = 110
PAUSE = 9  # frames


class MouthLoudness(Loudness):
    """An expert that sees only the mouth."""

    def embed_face(self, faces: torch.Tensor) -> torch.Tensor:
        return faces.unflatten(1, (-1, 3))[..., 4:8, 12:20].mean(dim=(2, 3, 4))


class Mouth(nn.Module):
    """Returns the reference unchanged, or with a mouth at rest, or as bright as the sound."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.config = {"image_size": 32, "feature": Mel(lead=2).record}
        self.how = how

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        painted = faces[:, 3:].clone()
        if self.how != "copies":
            power = 10 ** (mel[:, 0, :, 7:9].mean(dim=(1, 2)) * 100 / 8 / 20)
            bright = (power / 3.45 - 0.09).clamp(0, 1) if self.how == "hears" else 0 * power
            painted[..., 18:26, 11:21] = bright[:, None, None, None]
        return painted


@pytest.fixture(scope="module", autouse=True)
def _without_likeness():
    """Skip likeness, which is slow and irrelevant here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("likeness", "earlier_mouth"):
            patch.setattr(f"lipsync.evaluation.pair.{name}", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> list[Pair]:
    """Two faces whose mouths follow their sound; each gets the other's speech."""
    folder = tmp_path_factory.mktemp("faces")
    for k in range(2):
        faces, wave = bright_and_loud(60, seed=k)
        rest = slice(5 + 18 * k, 5 + 18 * k + PAUSE)
        faces[rest] = 0
        wave.reshape(60, 640)[rest] = 0
        with VideoWriter(folder / f"{k}.mp4", 25, (96, 80), audio=wave, crf=4) as video:
            for face in faces:
                picture = np.full((80, 96, 3), GREY, np.uint8)
                stripes = 255 * (1 - np.arange(80) // 10 % 2)[:, None, None]
                picture[:, :16], picture[:, 80:] = stripes, stripes  # lest a mouth look like a cut
                picture[51:63, 40:56] = face[0, 0, 0]
                video.write(picture)
    names = [folder / f"{k}.mp4" for k in range(2)]
    return [Pair(names[k], names[1 - k], f"{k}") for k in range(2)]


def numbers(pairs, output: Path, how: str, references: str = "itself"):
    judge = Judge(MouthLoudness(), "loudness")
    options = {"judge": judge, "detector": FixedDetector(), "reference_frames": references}
    report = evaluate_generator(Mouth(how), pairs, output, **options)
    assert report.as_dict()["settings"]["references"] == references
    report.check()
    assert report.problems() == {}
    found = {leak["name"]: leak for leak in report.as_dict()["leakage"]}
    return report, {name: leak["dubs"]["mean"] for name, leak in found.items()}, found


@pytest.fixture(scope="module")
def copied_mouths(pairs, tmp_path_factory):
    return numbers(pairs, tmp_path_factory.mktemp("copies"), "copies")


def test_a_generator_that_copies_keeps_the_old_mouth(copied_mouths, tmp_path):
    report, dubs, found = copied_mouths
    for name in ("silent_motion", "silent_correlation", "speech_correlation"):
        assert dubs[name] == pytest.approx(1, abs=0.05)
    assert dubs["other_references"] == pytest.approx(0, abs=0.1)  # a mouth at rest is copied, too
    assert dubs["old_speech_found"] == 1
    assert dubs["covered_mouth"] < 1  # only the mouth moves with the sound here
    assert found["old_speech_found"]["beside"]["mean"] == dubs["new_speech_found"] < 1
    assert found["new_speech_found"]["beside"]["mean"] == 1  # real videos
    copied = found["closed_in_pauses"]["beside"]["mean"]
    assert dubs["closed_in_pauses"] == pytest.approx(copied, abs=0.05)
    assert copied < 0.9
    # the table, the files and the page tell it, pair by pair and together
    lines = report.table(videos=False).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("leakage"))
    assert lines[start + 2].split()[:3] == ["silent_motion", "2", f"{dubs['silent_motion']:.2f}"]
    report.save(tmp_path)
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert saved["leakage"] == report.as_dict()["leakage"]
    head, *rows = (tmp_path / "scores.csv").read_text().splitlines()
    assert {"motion_share", "motion_correlation", "closed_in_pauses"} <= set(head.split(","))
    assert sum(row.startswith(("silent_input", "old_speech")) for row in rows) == 4
    page = html_report(report)
    assert "What is left of the old mouth" in page
    assert f"<td>{dubs['silent_motion']:.2f}<small>" in page


def test_a_generator_that_copies_has_nothing_to_copy_by_other_references(pairs, tmp_path):
    _, dubs, _ = numbers(pairs, tmp_path / "out", "copies", "auto")
    assert dubs["silent_motion"] < 0.05
    assert abs(dubs["speech_correlation"]) < 0.3
    with pytest.raises(ConfigError, match="must be auto or itself when"):
        numbers(pairs, tmp_path / "out", "copies", "3")


def test_a_mouth_that_rests_keeps_nothing(pairs, tmp_path):
    _, dubs, _ = numbers(pairs, tmp_path / "out", "rests")
    assert dubs["silent_motion"] < 0.05  # apart from encoding artefacts
    assert dubs["closed_in_pauses"] == 1
    assert dubs["old_speech_found"] < 1
    assert dubs["new_speech_found"] < 1


def test_a_mouth_that_follows_the_sound_is_found_to(pairs, copied_mouths, tmp_path):
    report, dubs, found = numbers(pairs, tmp_path / "out", "hears")
    assert dubs["silent_motion"] < 0.05
    assert dubs["speech_correlation"] < 0.5
    assert found["speech_correlation"]["beside"]["mean"] > 0.8  # with their own speech
    assert dubs["new_speech_found"] == 1
    assert dubs["old_speech_found"] < 1
    assert dubs["other_references"] > 0.9
    assert dubs["closed_in_pauses"] > 0.8
    assert [leak.name for leak in report.leakage] == list(found)
    # against one that copies, paired
    lines = compare(copied_mouths[0], report).splitlines()
    words = next(line for line in lines if line.startswith("motion_share, silence")).split()
    assert words[2] == "2"
    assert float(words[3]) == pytest.approx(-1, abs=0.05)


def test_a_pair_with_its_own_speech_says_nothing_of_other_speech(pairs, tmp_path):
    own = [Pair(pairs[0].video, pairs[0].video, "own")]
    _, dubs, _ = numbers(own, tmp_path / "out", "copies")
    assert set(dubs) == {"silent_motion", "silent_correlation"}
