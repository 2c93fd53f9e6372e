"""Clips in the published prepared layout: ``0.jpg 1.jpg ... audio.wav``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from data_prep.options import Options
from data_prep.run import Summary, prepare
from lipsync.data.datasets import Windows
from lipsync.data.inputs import Inputs, Span
from lipsync.data.store import PreparedFolder, open_clip, write_split
from lipsync.features import Mel
from lipsync.media import write_audio

FACE = data.astronaut()[50:220, 140:310]


def published(root: Path, key: str, frames: int = 30) -> None:
    """Crops of changing sizes, as from a detector's box in every frame."""
    (root / key).mkdir(parents=True)
    for i in range(frames):
        face = cv2.resize(np.roll(FACE, i, 1), (100 + i % 7, 120 - i % 5))
        cv2.imwrite(str(root / key / f"{i}.jpg"), face[..., ::-1])
    wave = 0.3 * np.sin(np.arange(frames * 640) / (5 + len(key)))
    write_audio(root / key / "audio.wav", wave.astype(np.float32))


def convert(root: Path, output: Path, judge: str | None = None, **options: int) -> Summary:
    return prepare(root, output, Options(judge=judge, **options), workers=0, progress=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    published(root, "v1/00001")
    published(root, "v1/00002.x")
    published(root, "v2/00003", frames=4)
    published(root, "v2/00004")
    (root / "v2/00004/7.jpg").unlink()
    published(root, "v3/1")
    (root / "v3/1/audio.wav").write_bytes(b"no sound")
    write_split(root, "train", ["v1/00001", "v1/00002.x", "v2/00003"])
    return root


@pytest.mark.parametrize("size", [96, 128])
def test_converted_and_as_it_is_are_the_same_to_training(
    source: Path, tmp_path: Path, size: int
) -> None:
    summary = convert(source, tmp_path, image_size=size)
    assert {row.source: row.reason for row in summary.rows} == {
        "v1/00001": "",
        "v1/00002.x": "",
        "v2/00003": "too_short",
        "v2/00004": "damaged",
        "v3/1": "damaged",
    }
    for key in ("v1/00001", "v1/00002.x"):
        mine, theirs = open_clip(tmp_path, key), open_clip(source, key, side=size)
        assert np.array_equal(mine.faces, theirs.faces)
        assert np.array_equal(mine.wave, theirs.wave)
    write_split(source, "train", ["v1/00001", "v1/00002.x"])
    inputs = Inputs(size, "box", spans={"expert": Span(Mel(), 5)})
    sets = [
        Windows(PreparedFolder(root, size), "train", inputs, windows=4)
        for root in (tmp_path, source)
    ]
    for draw in range(6):
        a, b = (made[draw] for made in sets)
        assert a["key"] == b["key"]
        assert np.array_equal(a["faces"], b["faces"])
        assert np.array_equal(a["sound_expert"], b["sound_expert"])


def test_a_picture_that_may_not_be_read_costs_its_clip_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a/1", "a/2"):
        published(tmp_path / "in", key)
    really = np.fromfile

    def refuse(path: Path, *arguments: object) -> np.ndarray:
        if Path(path) == tmp_path / "in/a/1/3.jpg":
            raise PermissionError(13, "Permission denied")
        return really(path, *arguments)

    monkeypatch.setattr(np, "fromfile", refuse)  # root may read anything
    summary = convert(tmp_path / "in", tmp_path / "out")
    assert {row.source: row.reason for row in summary.rows} == {"a/1": "damaged", "a/2": ""}
    assert summary.rows[0].detail == "3.jpg cannot be read (Permission denied)"


def test_the_sync_of_ready_made_crops_is_not_checked(tmp_path: Path) -> None:
    published(tmp_path / "in", "a/1")
    summary = convert(tmp_path / "in", tmp_path / "out", judge="expert-open")
    assert summary.sync == "sync, by expert-open: 1 without landmarks to check"


def test_changes_are_noticed_and_sizes_kept_apart(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "in"
    published(root, "a/1")
    assert convert(root, tmp_path / "out").done == 1
    assert convert(root, tmp_path / "out").done == 0
    assert convert(root, tmp_path / "out", image_size=64).done == 1
    assert open_clip(tmp_path / "out", "a/1").size == 64
    (root / "a/1/29.jpg").unlink()
    assert convert(root, tmp_path / "out", image_size=64).done == 1
    assert len(open_clip(tmp_path / "out", "a/1")) == 29
