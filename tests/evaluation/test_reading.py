"""Lip reading of dubs in the benchmark, compared with the real and the old video."""

import json

import numpy as np
import pytest
import torch
from evaluation_media import FixedDetector, bright_and_loud, expert

from lipsync.checkpoints import save_model
from lipsync.errors import CheckpointError, ConfigError, MediaError
from lipsync.evaluation import bench
from lipsync.evaluation.benchmark import run as bench_run
from lipsync.evaluation.benchmark.measures import MEASURES, OLD_VIDEO
from lipsync.evaluation.reading import Reading
from lipsync.evaluation.videos import Stretch
from lipsync.faces.align import TEMPLATE
from lipsync.faces.framing import Framing, get_framing
from lipsync.media import HeldFrames, VideoWriter, write_audio
from lipsync.models import LipReader, LongSyncNet

SLOTS = [["up", "down"], ["left", "right"]]
OLD, NEW = "up left", "down right"
FRAMES = 30


def film(path, seed, heard=None):
    path.parent.mkdir(exist_ok=True)
    faces, _ = bright_and_loud(FRAMES, seed=seed)
    wave = None if heard is None else bright_and_loud(FRAMES, seed=heard)[1]
    with VideoWriter(path, 25, (96, 80), audio=wave, crf=8, threads=1) as writer:
        for shown in faces:
            picture = np.full((80, 96, 3), shown[0, 0, 0], np.uint8)
            picture[:8, :8] = 128
            writer.write(picture)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sound").mkdir()
    lines = ["name,real_text,text,language"]
    for k in range(2):
        film(tmp_path / "real" / f"{k}.mp4", k, k)
        write_audio(tmp_path / "sound" / f"{k}.wav", bright_and_loud(FRAMES, seed=50 + k)[1])
        film(tmp_path / "good" / f"{k}.mp4", 50 + k)
        film(tmp_path / "copier" / f"{k}.mp4", k)
        lines.append(f"{k}, UP  left ,down right,en")
    (tmp_path / "clips.csv").write_text("\n".join(lines))
    return tmp_path


class ReadsBrightness:
    """Replaces a trained reader: it knows which frames belong to which speech."""

    def __init__(self, name, device="cpu"):
        self.name, self.sha256 = str(name), "00"
        self.network = LipReader(SLOTS)
        self.framing, self.size = get_framing("box"), 96

    check_text = Reading.check_text

    def error(self, faces, *texts):
        means = np.array([face.mean() for face in faces])
        said = {text: [] for text in (OLD, NEW)}
        for seeds, text in (((0, 1), OLD), ((50, 51), NEW)):
            for seed in seeds:
                of = bright_and_loud(FRAMES, seed=seed)[0].mean(axis=(1, 2, 3))
                said[text].append(np.abs(means - of).mean())
        read = min(said, key=lambda text: min(said[text]))
        return [float(read != text) for text in texts]


def test_what_is_read_stands_beside_real_and_old_videos(folder, monkeypatch):
    monkeypatch.setattr(bench_run, "Reading", ReadsBrightness)
    options = {"judge": expert(), "detector": FixedDetector()}
    result = bench(folder, folder / "out", reader="stand-in", **options)
    measures = {m.name: m for m in MEASURES}

    def mean(kind, name):
        return result.mean(kind, measures[name]).mean

    new = {kind: mean(kind, "word_error") for kind in ("real", "good", "copier", OLD_VIDEO)}
    assert new == {"real": 0, "good": 0, "copier": 1, OLD_VIDEO: 1}
    old = {kind: mean(kind, "old_word_error") for kind in ("good", "copier", OLD_VIDEO)}
    assert old == {"good": 1, "copier": 0, OLD_VIDEO: 0}
    assert result.columns == ["language"]  # transcripts are not grouped by
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["settings"]["reader"] == "stand-in"
    assert "words misread" in (folder / "out" / "index.html").read_text()
    without = bench(folder, folder / "out", **options)
    assert not without.values("good", "word_error")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,language\n0,en\n1,en", "needs a column text in clips.csv"),
        (
            "name,text\n0,up sideways\n1,up left",
            "0: 'up sideways' is not a sentence that x can read; th",
        ),
        ("name,text\n0,up\n1,up left", "the form is 'up left'"),
    ],
)
def test_texts_that_cannot_be_read_are_an_error(folder, monkeypatch, text, problem):
    monkeypatch.setattr(bench_run, "Reading", ReadsBrightness)
    (folder / "clips.csv").write_text(text)
    with pytest.raises(ConfigError, match=problem):
        bench(folder, folder / "out", judge=expert(), detector=FixedDetector(), reader="x")


def test_a_reader_reads_crops(tmp_path):
    torch.manual_seed(0)
    save_model(LipReader(SLOTS, width=8, hidden=8, image_size=96), tmp_path / "reader.safetensors")
    reading = Reading(tmp_path / "reader.safetensors")
    assert (reading.framing.name, reading.size) == ("aligned_tight", 96)
    faces = np.random.default_rng(0).integers(0, 255, (9, 96, 96, 3), np.uint8)
    errors = reading.error(iter(faces), "up left", "up right", "down left", "down right")
    assert sorted(errors) == [0, 0.5, 0.5, 1]  # one of the four sentences is read
    assert reading.error(iter(faces[:1]), "up left") == []


def test_other_networks_are_an_error(tmp_path):
    save_model(LongSyncNet(width=0.25, view="face"), tmp_path / "eyes.safetensors")
    with pytest.raises(CheckpointError, match="holds a LongSyncNet, not a lip reader"):
        Reading(tmp_path / "eyes.safetensors")


def test_a_stretch_is_cut_as_the_reader_has_it(tmp_path):
    film(tmp_path / "a.mp4", 0)
    footage = HeldFrames(tmp_path / "a.mp4", 25)
    boxes = np.tile([10.0, 5, 70, 75], (FRAMES - 2, 1))
    marks = np.tile(10 + 50 * TEMPLATE, (FRAMES - 2, 1, 1))
    stretch = Stretch(footage, 1, FRAMES - 1, landmarks=marks, boxes=boxes)
    tight = get_framing("aligned_tight")
    faces = list(stretch.faces_in_framing(tight, 32))
    expected = Framing.cut(list(footage)[1], tight.transforms(boxes, marks)[0], 32)
    assert len(faces) == FRAMES - 2
    assert np.array_equal(faces[0], expected)
    with pytest.raises(MediaError, match=r"a\.mp4: framing aligned_tight needs landmarks"):
        list(Stretch(footage, 1, FRAMES - 1, boxes=boxes).faces_in_framing(tight, 32))
