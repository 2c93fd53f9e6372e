"""The sync check end to end, with a judge that compares brightness with loudness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from footage_media import moving, video
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import nn

import lipsync.evaluation
from data_prep.options import Options
from data_prep.run import Summary, prepare
from data_prep.sync import PUBLISHED, judge_digest, limits
from lipsync.command import CONF
from lipsync.data.store import open_clip
from lipsync.errors import CheckpointError, ConfigError
from lipsync.evaluation import Calibration, Judge, as_judge
from lipsync.faces.detect import Detection, Detector
from lipsync.faces.framing import get_framing
from lipsync.features import Mel
from lipsync.media import VideoWriter
from lipsync.models import SyncNet, SyncNetV2

COUNT = 50
CALIBRATION = Calibration(5, (-6.0, 40.0, 0.0), (20, 70), 0.9, ["ann"], 12, "speakers")
# Per frame: loudness, and openness of the speaking mouth and of another.
SPEECH, OTHER = np.random.default_rng(1).uniform(0.1, 1, (2, COUNT + 40))
BACKGROUND = np.random.default_rng(2).integers(60, 196, (8, 16, 3), dtype=np.uint8)
BACKGROUND = BACKGROUND.repeat(20, axis=0).repeat(20, axis=1)  # (160, 320, 3)


class TwoFaces(Detector):
    """One face on the left, one on the right, in pictures of 320 x 160."""

    name = "two"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        return [self._face(80), self._face(240)]

    def _face(self, x: int) -> Detection:
        box = np.array([x - 50, 30, x + 50, 130], np.float32)
        return Detection(box, 0.9, np.full((5, 2), np.nan, np.float32))


class Brightness(nn.Module):
    """Compares windows of brightness with windows of loudness."""

    lower_half = False

    def __init__(self, window: int) -> None:
        super().__init__()
        feature = Mel().spanning(window)
        self.edges = [*(feature.start(i / 25) for i in range(window)), feature.window]
        self.config = {
            "image_size": 16, "window": window, "feature": feature.record, "framing": "box"
        }  # fmt: skip
        weights = -6.0, 200.0 / window, 0.0  # distances of longer windows are larger
        record = CALIBRATION.as_dict() | {"window": window, "weights": weights}
        self.card = {"calibration": record}
        self.unused = nn.Parameter(torch.zeros(1))

    def see(self, faces: torch.Tensor) -> torch.Tensor:
        return faces

    def embed_face(self, faces: torch.Tensor) -> torch.Tensor:
        return faces.mean(dim=(2, 3, 4)) * 255 / 40

    def embed_audio(self, mel: torch.Tensor) -> torch.Tensor:
        power = 10 ** (mel[:, 0].amax(dim=1) * 100 / 8 / 20)  # decibels to amplitude
        parts = [power[:, a:b].mean(dim=1) for a, b in pairwise(self.edges)]
        return torch.stack(parts, dim=1) / 60


@pytest.fixture(params=[5, 15])
def window(request: pytest.FixtureRequest) -> int:
    """Frames per window of the judge."""
    return request.param


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int) -> Callable[..., Summary]:
    """Prepare one video: the left face moves at random, the right one with the sound."""
    monkeypatch.setattr("data_prep.run.get_detector", lambda *_, **__: TwoFaces())
    monkeypatch.setattr(
        lipsync.evaluation, "as_judge", lambda *_: Judge(Brightness(window), "brightness")
    )

    def make(late: int, volume: float = 0.8, **options: object) -> Summary:
        """``late``: frames by which the sound lags the video."""
        (tmp_path / "in/s").mkdir(parents=True, exist_ok=True)
        loudness = SPEECH[20 - late : 20 - late + COUNT].repeat(640)
        wave = (volume * loudness * np.sin(np.arange(COUNT * 640) / 3)).astype(np.float32)
        with VideoWriter(tmp_path / "in/s/a.mp4", 25, (320, 160), audio=wave) as writer:
            for other, own in zip(OTHER[:COUNT], SPEECH[20:], strict=False):
                frame = BACKGROUND.copy()  # so that changing faces are not taken for a cut
                frame[28:132, 28:132], frame[28:132, 188:292] = 40 * other, 40 * own
                writer.write(frame)
        options = {"judge": "brightness", "min_confidence": 0.2, "max_offset": 6, **options}
        return prepare(
            tmp_path / "in", tmp_path / "out", Options(**options), workers=0, progress=False
        )

    return make


@pytest.mark.parametrize("late", [0, 4, -5])
def test_the_speaking_face_is_kept_and_its_sound_moved(
    set_up: Callable[..., Summary], tmp_path: Path, late: int
) -> None:
    summary = set_up(late)
    left, right = sorted(summary.rows, key=lambda row: row.reason, reverse=True)
    assert (left.reason, right.reason) == ("other_face", "")
    assert right.offset == -late
    assert right.fine_offset == pytest.approx(-late, abs=0.4)
    assert right.confidence > 0.25
    assert right.frames == COUNT - abs(late)
    clip = open_clip(tmp_path / "out", "s/a")
    info = clip.info
    assert (info["offset"], info["confidence"], info["judge"]) == (
        -late, right.confidence, "brightness"
    )  # fmt: skip
    assert info["fine_offset"] == right.fine_offset
    assert info["start"] == max(0, -late)
    assert len(info["boxes"]) == len(clip)
    assert info["box"][0] > 160
    heard = np.abs(clip.wave).reshape(-1, 640).mean(axis=1)
    seen = clip.faces.mean(axis=(1, 2, 3))
    assert np.corrcoef(heard[1:-1], seen[1:-1])[0, 1] > 0.97  # in place
    assert set_up(late).done == 1  # a new file of the same key


def test_the_check_does_not_hear_how_loud_the_sound_is(set_up: Callable[..., Summary]) -> None:
    quiet, quieter = (set_up(0, volume, min_confidence=0.0).kept[0] for volume in (0.1, 0.02))
    assert (quiet.level, quieter.level) == pytest.approx((-24, -38), abs=1)  # their own
    assert quieter.confidence == pytest.approx(quiet.confidence, abs=0.01)


def test_limits_of_the_check(set_up: Callable[..., Summary]) -> None:
    assert set_up(4, max_offset=3).reasons == {"other_face": 1, "off_sync": 1}
    assert set_up(0, min_confidence=5.0, unsure="reject").reasons == {"other_face": 1, "unsure": 1}
    assert set_up(0, judge=None).kept[0].confidence is None


def test_a_calibrated_judge_moves_what_it_is_sure_of_and_can_leave_out_what_it_does_not_hear(
    set_up: Callable[..., Summary],
) -> None:
    (kept,) = set_up(4, min_confidence=None, max_offset=None).kept
    assert kept.offset == -4
    # outside the search range
    summary = set_up(20, min_confidence=None, max_offset=None, unsure="reject")
    assert summary.reasons == {"other_face": 1, "unsure": 1}
    (unsure,) = (row for row in summary.rows if row.reason == "unsure")
    assert "that the offset is right, minimum is 0.9" in unsure.detail


def test_clips_of_which_the_judge_is_unsure_stay_as_they_are(
    set_up: Callable[..., Summary], tmp_path: Path
) -> None:
    summary = set_up(4, min_confidence=5.0)
    assert summary.reasons == {"other_face": 1}
    (kept,) = summary.kept
    assert kept.offset is not None  # found, but not applied
    assert kept.frames == COUNT
    info = open_clip(tmp_path / "out", "s/a").info
    assert (info["offset"], info["start"], info["confidence"]) == (None, 0, kept.confidence)
    assert info["fine_offset"] is None
    assert abs(kept.fine_offset - kept.offset) <= 0.5


def test_what_was_checked_and_by_whom_is_said(
    set_up: Callable[..., Summary], tmp_path: Path, window: int
) -> None:
    def told(**options: object) -> list[str | None]:
        summary = set_up(**options)
        (kept,) = summary.kept
        info = open_clip(tmp_path / "out", "s/a").info
        assert f"<p class=note>S{summary.sync[1:]}." in (tmp_path / "out/report.html").read_text()
        return [kept.sync, kept.judge, info["judge"], summary.sync]

    name = "brightness"
    assert told(late=4) == ["moved", name, name, "sync, by brightness: 1 moved"]
    assert told(late=0)[0] == "in place"
    assert told(late=0, min_confidence=5.0)[0] == "unsure"
    assert "measured offset" not in (tmp_path / "out/report.html").read_text()
    assert told(late=4, judge=None) == ["", "", None, "sync: not checked"]


def test_by_default_expert_open_checks_in_any_framing_and_leaves_nothing_out(
    tmp_path: Path,
) -> None:
    video(tmp_path / "in/s/a.mp4", moving(30))
    for framing in ("box", "aligned_jaw"):
        options = Options(framing=framing)
        summary = prepare(tmp_path / "in", tmp_path / "out", options, workers=0, progress=False)
        assert summary.sync == "sync, by expert-open: 1 unsure"  # lips that do not move
        (kept,) = summary.kept
        assert kept.frames == 30
        assert kept.confidence > 0
    with initialize_config_dir(CONF, version_base="1.3"):
        stated = OmegaConf.to_container(compose("prepare"))
    assert {name: stated[name] for name in asdict(options)} == asdict(Options())


def test_what_cannot_be_judged_stays_as_it_is(
    set_up: Callable[..., Summary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(judge: Judge, **options: object) -> str:
        monkeypatch.setattr(lipsync.evaluation, "as_judge", lambda *_: judge)
        summary = set_up(4, judge=judge.name, **options)
        for row in summary.kept:
            assert (row.offset, row.judge, row.frames) == (None, "", COUNT)
            assert open_clip(tmp_path / "out", row.key).info["judge"] is None
        return summary.sync

    long = Judge(Brightness(COUNT + 1), "long")
    assert told(long).endswith(": 1 too short to check")
    aligned = Judge(Brightness(5), "aligned")
    aligned.framing = get_framing("aligned_tight")  # and TwoFaces finds no landmarks
    assert told(aligned).endswith(": 1 without landmarks to check")
    assert told(aligned, unsure="reject").endswith("no clip")


def test_other_limits_do_not_ask_the_judge_again(
    set_up: Callable[..., Summary], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_up(0)

    def asked(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("data_prep.sync.measure", asked)
    options = Options(judge="brightness", min_confidence=5.0, max_offset=6, unsure="reject")
    again = prepare(tmp_path / "in", tmp_path / "out", options, workers=0, progress=False)
    assert again.reasons == {"other_face": 1, "unsure": 1}
    assert not (tmp_path / "out/s/a").exists()


def test_limits_of_the_judges() -> None:
    published = Judge(SyncNetV2(), "syncnet_v2")
    assert limits(Options(), published) == PUBLISHED
    assert (PUBLISHED.confidence, PUBLISHED.offset) == (3.0, 6)
    own = Judge(SyncNet(width=0.125, depth=0.5, window=15), "mine.ckpt")
    with pytest.raises(ConfigError, match=r"judge=mine.ckpt: is not cal.* or set min_confidence"):
        limits(Options(), own)
    given = limits(Options(min_confidence=0.4), own)
    assert (given.confidence, given.offset) == (0.4, 6)
    own.model.card = {"calibration": CALIBRATION.as_dict() | {"window": 15}}
    found = limits(Options(), Judge(own.model, "mine.safetensors"))
    assert (found.confidence, found.offset, found.calibration.window) == (None, 15, 15)
    assert limits(Options(min_confidence=0.4), Judge(own.model, "mine")).calibration is None
    aligned = Judge(SyncNet(width=0.125, depth=0.5, framing="aligned"), "mine")
    aligned.calibration = CALIBRATION
    blind = Options(detector="face_alignment", unsure="reject")
    with pytest.raises(ConfigError, match="detector=face_alignment finds none; use detector=cent"):
        limits(blind, aligned)
    for given in (Options(), replace(blind, unsure="keep")):
        assert limits(given, aligned).calibration == CALIBRATION
    assert limits(Options(), as_judge("syncnet-open")).calibration.level == 0.9


def test_a_judge_is_known_by_its_weights(tmp_path: Path) -> None:
    assert judge_digest(None) == ""
    assert judge_digest("syncnet_v2") == "syncnet_v2"
    assert len(judge_digest("syncnet-open")) == 64  # the model behind the name may change
    (tmp_path / "a").write_bytes(b"1")
    first = judge_digest(str(tmp_path / "a"))
    (tmp_path / "a").write_bytes(b"2")
    assert len(first) == 64
    assert judge_digest(str(tmp_path / "a")) != first


def test_a_judge_that_is_none_is_an_error_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.mp4").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no such file or bundled model"):
        prepare(tmp_path / "in", tmp_path / "out", Options(judge="none"))
    assert not (tmp_path / "out").exists()
