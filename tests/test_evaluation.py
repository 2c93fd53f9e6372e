"""Scores of clips and videos: windows cut rightly, known offsets found, reports that add up."""

import csv
import json
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lipsync.audio import melspectrogram
from lipsync.errors import ConfigError, MediaError
from lipsync.evaluation import (
    ExpertJudge,
    SyncNetV2Judge,
    as_judge,
    embed_clip,
    evaluate,
    find_videos,
    read_pairs,
    score_clip,
)
from lipsync.evaluation.table import Report, Row
from lipsync.faces.detect import Detection, Detector
from lipsync.media import VideoWriter, write_audio
from lipsync.metrics import offset_curve, sync_score
from lipsync.models import QualityDiscriminator, SyncNet, SyncNetV2

GOLDEN = Path(__file__).parent / "golden"
BOX = np.array([20, 10, 76, 70], np.float32)


class FixedDetector(Detector):
    """Finds ``BOX`` unless the top left pixel is black."""

    name = "fixed"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        if frame[0, 0].max() < 16:
            return []
        return [Detection(BOX, 1.0, np.full((5, 2), np.nan, np.float32))]


class Loudness(nn.Module):
    """An expert that needs no training: brightness of five frames, loudness beside each."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {"image_size": 32}
        self.unused = nn.Parameter(torch.zeros(1))

    def embed_face(self, faces: torch.Tensor) -> torch.Tensor:
        assert faces.shape[1:] == (15, 16, 32)
        return faces.unflatten(1, (5, 3)).mean(dim=(2, 3, 4))  # (B, 5), in [0, 1]

    def embed_audio(self, mel: torch.Tensor) -> torch.Tensor:
        assert mel.shape[1:] == (1, 80, 16)
        edges = [0, 3, 6, 9, 12, 16]
        power = 10 ** (mel[:, 0].mean(dim=1) * 100 / 8 / 20)  # decibels to amplitude
        parts = [power[:, a:b].mean(dim=1) for a, b in pairwise(edges)]
        return torch.stack(parts, dim=1) / 2.3 - 0.09  # on the scale of bright_and_loud


def bright_and_loud(frames: int, shift: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, 32, 32, 3) whose brightness is the sound's loudness ``shift`` frames later."""
    rng = np.random.default_rng(seed)
    level = np.convolve(rng.uniform(-0.5, 1.5, frames + 42), np.ones(3) / 3, "valid").clip(0, 1)
    faces = np.zeros((frames, 32, 32, 3), np.uint8)
    faces += (255 * level[20 : 20 + frames, None, None, None]).astype(np.uint8)
    loud = np.repeat(level[20 - shift : 20 - shift + frames], 640)
    wave = 0.2 * loud * rng.standard_normal(frames * 640).clip(-3, 3)
    return faces, wave.astype(np.float32)


# ---------------------------------------------------------------- clips


@pytest.mark.parametrize("shift", [-7, -2, 0, 1, 5])
def test_a_known_offset_is_found(shift):
    faces, wave = bright_and_loud(75, shift)
    assert score_clip(faces, wave, ExpertJudge(Loudness())).offset == -shift  # late is negative


def test_sound_of_another_clip_scores_worse():
    faces, wave = bright_and_loud(75)
    _, other = bright_and_loud(75, seed=5)
    right = score_clip(faces, wave, ExpertJudge(Loudness()))
    wrong = score_clip(faces, other, ExpertJudge(Loudness()))
    assert right.distance < 0.6 * wrong.distance
    assert right.confidence > 2 * wrong.confidence


def test_each_window_holds_its_frames_and_its_sound():
    class Spy(Loudness):
        seen: list

        def embed_face(self, faces):
            self.seen.append(faces.clone())
            return super().embed_face(faces)

    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (23, 32, 32, 3), dtype=np.uint8)
    wave = rng.standard_normal(23 * 640).clip(-1, 1).astype(np.float32)
    model = Spy()
    model.seen = []
    video, audio = ExpertJudge(model, batch_size=6).embed(faces, wave)
    windows = torch.cat(model.seen).numpy()
    mel = melspectrogram(wave)
    assert len(video) == len(audio) == 19  # 23 frames, five a window
    for i in range(19):
        lower = faces[i : i + 5, 16:].transpose(0, 3, 1, 2).reshape(15, 16, 32) / 255
        np.testing.assert_allclose(windows[i], lower, atol=1e-6)
        start = int(80 * i / 25)
        heard = torch.from_numpy(mel[None, None, :, start : start + 16])
        torch.testing.assert_close(audio[i], model.embed_audio(heard)[0])


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batches_and_streams_change_nothing(batch_size):
    torch.manual_seed(0)
    model = SyncNet(width=0.25, depth=0).eval()
    rng = np.random.default_rng(1)
    faces = rng.integers(0, 256, (20, 96, 96, 3), dtype=np.uint8)
    wave = (0.1 * rng.standard_normal(20 * 640)).astype(np.float32)
    lower = torch.from_numpy(faces[:, 48:]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        single = torch.cat(
            [model.embed_face(lower[i : i + 5].flatten(0, 1)[None]) for i in range(16)]
        )
    video, audio = ExpertJudge(model, batch_size=batch_size).embed(iter(faces), wave)
    torch.testing.assert_close(video, single, atol=1e-5, rtol=1e-4)
    assert video.shape == audio.shape == (16, 512)


def test_faces_of_another_size_are_brought_to_the_judge_s():
    faces, wave = bright_and_loud(30)
    large = faces.repeat(3, axis=1).repeat(3, axis=2)
    video, _ = embed_clip(faces, wave, ExpertJudge(Loudness()))
    larger, _ = embed_clip(large, wave, ExpertJudge(Loudness()))
    torch.testing.assert_close(video, larger)


def test_a_network_is_left_in_its_mode():
    model = SyncNet(width=0.25, depth=0).train()
    score_clip(np.zeros((12, 96, 96, 3), np.uint8), np.ones(12 * 640, np.float32), model)
    assert model.training


def test_too_short_for_a_window():
    judge = ExpertJudge(Loudness())
    faces, wave = bright_and_loud(10)
    with pytest.raises(ValueError, match=r"fewer than 5 frames and 0\.40 s of sound, too short"):
        judge.embed(faces[:4], wave)
    with pytest.raises(ValueError, match=r"10 frames and 0\.10 s of sound, too short"):
        judge.embed(faces, wave[:1600])
    with pytest.raises(ValueError, match="too short"):
        judge.embed(faces, wave[:0])


def test_what_does_not_judge_is_refused():
    with pytest.raises(ConfigError, match="is a QualityDiscriminator"):
        as_judge(QualityDiscriminator(width=0.25))


def published_wave() -> np.ndarray:
    """The two seconds of public_audio.npz, from its recipe."""
    rate = 16000
    t = np.arange(2 * rate) / rate
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.7 * t)) / rate
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * t)
    tones = sum(np.sin(k * phase) / k for k in range(1, 20)) * envelope * 0.2
    noise = 0.01 * crc_rng("wave:public").standard_normal(len(t))
    return np.clip(tones + noise, -1, 1).astype(np.float32)


def crc_rng(text: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(text.encode()) & 0xFFFFFFFF)


def filled_by_name(model: nn.Module) -> nn.Module:
    """The weights that the recorded numbers were made with."""
    for name, value in model.state_dict().items():
        r, shape = crc_rng(name), tuple(value.shape)
        if name.endswith("num_batches_tracked"):
            filling = np.zeros(shape)
        elif name.endswith("running_var"):
            filling = r.uniform(0.5, 1.5, shape)
        elif name.endswith("running_mean"):
            filling = 0.1 * r.standard_normal(shape)
        elif len(shape) > 1:
            filling = r.standard_normal(shape) * np.sqrt(1 / np.prod(shape[1:]))
        elif name.endswith("weight"):
            filling = r.uniform(0.5, 1.0, shape)
        else:
            filling = 0.1 * r.standard_normal(shape)
        value.copy_(torch.from_numpy(np.asarray(filling)))
    return model.eval()


def test_syncnet_v2_reproduces_the_published_evaluation():
    golden = np.load(GOLDEN / "public_syncnet_v2.npz")
    small = crc_rng("input:lip").uniform(0, 255, (25, 3, 28, 28)).astype(np.float32)
    faces = small.repeat(8, axis=2).repeat(8, axis=3).transpose(0, 2, 3, 1)
    judge = SyncNetV2Judge(filled_by_name(SyncNetV2()))
    video, audio = judge.embed(faces, published_wave())
    assert len(video) == len(audio) == golden["last"] == 20
    np.testing.assert_allclose(video[:, ::8], golden["lip"], atol=1e-4)
    np.testing.assert_allclose(audio[:, ::8], golden["aud"], atol=1e-4)
    scores = sync_score(video, audio)
    assert scores.offset == golden["offset"]
    assert scores.distance == pytest.approx(float(golden["min_dist"]), abs=1e-4)
    assert scores.confidence == pytest.approx(float(golden["conf"]), abs=1e-4)
    np.testing.assert_allclose(offset_curve(video, audio), golden["mean_dist"], atol=1e-4)
    np.testing.assert_allclose(scores.frame_confidence, golden["frame_conf"], atol=1e-4)


def test_syncnet_v2_frames_faces_as_published():
    boxes = np.tile(np.array([100.0, 50, 180, 150]), (20, 1))
    squares = SyncNetV2Judge(SyncNetV2()).boxes(boxes)
    # half side 50 about (140, 100): 50 up, 50 * 1.8 down, 50 * 1.4 to either side
    np.testing.assert_allclose(squares, np.tile([70, 50, 210, 190], (20, 1)))


# ---------------------------------------------------------------- videos


def talking_video(path: Path, frames: int = 60, shift: int = 0, fps=25, hidden=()) -> Path:
    """A grey face (the whole picture) as bright as the sound is loud, ``shift`` frames apart."""
    faces, wave = bright_and_loud(frames, shift)
    with VideoWriter(path, fps, (96, 80), audio=wave, crf=8) as video:
        for k, face in enumerate(faces):
            picture = np.full((80, 96, 3), face[0, 0, 0], np.uint8)
            picture[:8, :8] = 0 if k in hidden else 128
            video.write(picture)
    return path


def expert() -> ExpertJudge:
    return ExpertJudge(Loudness(), "loudness")


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
    assert (overall.n, overall.offset) == (2, -1.5)
    assert overall.distance == pytest.approx(np.mean([r.distance for r in report.rows[:2]]))
    assert report.judge == "loudness"
    assert [call[1:] for call in calls] == [(0, 3), (1, 3), (2, 3), (3, 3)]


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
    assert (overall.n, overall.problem) == (1, "4 left out")
    assert overall.distance == report.overall("real").distance
    report.check()
    none = evaluate([faceless], [good], judge=expert(), detector=FixedDetector())
    assert none.overall("generated").distance is None
    with pytest.raises(ConfigError, match=r"none of 1 generated videos .* no face found"):
        none.check()


def test_empty_sets_and_missing_paths_are_errors(tmp_path):
    good = talking_video(tmp_path / "good.mp4", 20)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="there are no real videos"):
        evaluate([good], [], judge=expert(), detector=FixedDetector())
    with pytest.raises(MediaError, match="nothing: holds no video"):
        find_videos([tmp_path / "nothing"])
    with pytest.raises(MediaError, match=r"missing\.mp4: no such file"):
        find_videos([tmp_path / "missing.mp4"])


# ---------------------------------------------------------------- reports


REPORT = Report(
    [
        Row("generated", "g/1.mp4", 71, 7.25, 5.5, -1),
        Row("generated", "g/2,3.mp4", 0, problem="no face found"),
        Row("real", "r/1.mp4", 71, 6.75, 7.0, 0),
    ],
    judge="expert",
    protocol="p",
    vshift=15,
)


def test_the_table_ends_with_generated_and_real_side_by_side():
    lines = REPORT.table().splitlines()
    assert lines[0].startswith("judge: expert (p); distance = LSE-D, lower is better;")
    assert lines[1].split() == ["set", "video", "n", "distance", "confidence", "offset", "problem"]
    assert lines[-2].split()[:6] == ["generated", "overall", "1", "7.250", "5.500", "-1.000"]
    assert lines[-1].split() == ["real", "overall", "1", "6.750", "7.000", "0.000"]
    assert lines[-2].endswith("1 left out")
    starts = {line.index("7.250") for line in lines if "7.250" in line}
    assert len(starts) == 1  # aligned


def test_files_hold_what_the_table_shows(tmp_path):
    REPORT.save(tmp_path / "new")
    with (tmp_path / "new" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [
        "g/1.mp4", "g/2,3.mp4", "r/1.mp4", "overall", "overall",
    ]  # fmt: skip
    assert rows[1]["distance"] == ""
    assert float(rows[3]["distance"]) == 7.25
    content = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert content["overall"]["real"]["confidence"] == 7.0
    assert content["videos"][1] == {
        "set": "generated", "video": "g/2,3.mp4", "n": 0, "distance": None, "confidence": None,
        "offset": None, "problem": "no face found",
    }  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["scores.csv", "scores.json"]


def test_pairs_are_read_relative_to_their_file(tmp_path):
    (tmp_path / "pairs.csv").write_text('generated,real\na.mp4,"b, c.mp4"\n\nd.mp4,/e.mp4\n')
    generated, real = read_pairs(tmp_path / "pairs.csv")
    assert generated == [tmp_path / "a.mp4", tmp_path / "d.mp4"]
    assert real == [tmp_path / "b, c.mp4", Path("/e.mp4")]
    (tmp_path / "bad.csv").write_text("a.mp4\n")
    with pytest.raises(MediaError, match="line 1 has 1 fields; write generated,real"):
        read_pairs(tmp_path / "bad.csv")
    with pytest.raises(MediaError, match=r"none\.csv: cannot be read \(No such file"):
        read_pairs(tmp_path / "none.csv")
    (tmp_path / "video.csv").write_bytes(b"\x00\x90\xff")
    with pytest.raises(MediaError, match=r"video\.csv: is not text"):
        read_pairs(tmp_path / "video.csv")
    (tmp_path / "empty.csv").write_text("generated,real\n")
    with pytest.raises(MediaError, match=r"empty\.csv: holds no pair"):
        read_pairs(tmp_path / "empty.csv")


def test_sound_files_are_no_videos(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros(3200, np.float32))
    with pytest.raises(MediaError, match="holds no video"):
        find_videos([tmp_path])
