"""Identity preservation, with a small recogniser made by the test."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from evaluation_media import expert
from onnx import TensorProto, helper, numpy_helper

from lipsync.errors import CheckpointError, ConfigError
from lipsync.evaluation import bench, evaluate_generator, random_pairs
from lipsync.evaluation.benchmark.measures import MEASURES
from lipsync.evaluation.command import _evaluate_videos
from lipsync.evaluation.identity import Person
from lipsync.evaluation.recogniser import ARCFACE, Recogniser
from lipsync.evaluation.videos import Stretch
from lipsync.faces.detect import Detection, Detector
from lipsync.media import HeldFrames, VideoWriter, write_audio

FLOAT = TensorProto.FLOAT
SIDE = 64.0  # side of the square in which the eyes are at ArcFace's positions
MARKS = (SIDE * ARCFACE + [32, 20]).astype(np.float32)
BOX = np.array([34, 20, 94, 84], np.float32)
SIZE = (128, 104)


class WithLandmarks(Detector):
    name = "landmarks"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        return [Detection(BOX, 1.0, MARKS)]


def recogniser(path: Path, *, levels: bool = False, batch="n", size=112, made=None) -> Path:
    """Mean colours of 8 x 8 pixel blocks, minus the overall mean: a coarse description of a
    face."""
    scale = [
        helper.make_node("Sub", ["data", "half"], ["a"]),
        helper.make_node("Mul", ["a", "by"], ["b"]),
    ]
    nodes = [
        *(scale if levels else [helper.make_node("Identity", ["data"], ["b"])]),
        helper.make_node("AveragePool", ["b"], ["c"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["mean"], axes=[1]),
        helper.make_node("Sub", ["d", "mean"], [made or "out"]),
    ]
    if made:
        nodes.append(helper.make_node("Identity", ["c"], ["out"]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [value("data", FLOAT, (batch, 3, size, size))],
        [value("out", FLOAT, None)],
        [
            numpy_helper.from_array(np.array(127.5, np.float32), "half"),
            numpy_helper.from_array(np.array(1 / 127.5, np.float32), "by"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def face(person: int, moment: int, mouth: int | None = None) -> np.ndarray:
    """A frame: coarse blotches for a face, others for the lower half, which changes a little."""

    def blotches(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        coarse = rng.uniform(40, 215, (8, 8, 3)).astype(np.float32)
        return cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)

    shown = blotches(person)
    if mouth is not None:
        shown[36:] = blotches(mouth)[36:]
    shown[44:56, 20:44] += 25 * np.sin(moment)
    frame = np.full((SIZE[1], SIZE[0], 3), 128, np.float32)
    frame[20:84, 32:96] = shown
    return np.clip(frame, 0, 255).astype(np.uint8)


def hiss(seed: int, frames: int = 40) -> np.ndarray:
    wave = 0.1 * np.random.default_rng(seed).standard_normal(640 * frames).clip(-3, 3)
    return wave.astype(np.float32)


def film(
    path: Path, person: int, mouth: int | None = None, frames: int = 40, blur=0.0, sound=True
) -> Path:
    wave = hiss(person, frames) if sound else None
    with VideoWriter(path, 25, SIZE, audio=wave, crf=4, threads=1) as video:
        for k in range(frames):
            shown = face(person, k, mouth)
            video.write(cv2.GaussianBlur(shown, (0, 0), blur) if blur else shown)
    return path


def stretch(path: Path, frames: int = 40) -> Stretch:
    marks = np.repeat(MARKS[None], frames, axis=0)
    return Stretch(HeldFrames(path, 25), 0, frames, landmarks=marks)


def test_planted_faults_are_ranked(tmp_path):
    """Two moments of one person, a new mouth's blur, another's mouth, another's face."""
    known = Recogniser(recogniser(tmp_path / "r.onnx"))
    real = stretch(film(tmp_path / "real.mp4", 1))
    person = Person(real, known)
    found = {
        "real": real,
        "again": stretch(film(tmp_path / "again.mp4", 1)),
        "mouth": stretch(film(tmp_path / "mouth.mp4", 1, mouth=2)),
        "other": stretch(film(tmp_path / "other.mp4", 2)),
    }
    far = {name: person.distance(video)["identity"] for name, video in found.items()}
    assert far["again"] == pytest.approx(far["real"], abs=0.002)
    assert 0 < far["real"] < 0.05
    assert far["mouth"] > 4 * far["real"]
    assert far["other"] > 1.5 * far["mouth"]


def test_by_hand(tmp_path):
    """1 minus the mean cosine of 16 moments with those half the length away."""
    known = Recogniser(recogniser(tmp_path / "r.onnx"))
    real = stretch(film(tmp_path / "real.mp4", 3, frames=16), 16)
    frames = list(real.footage)
    seen = [cv2.resize(f[20:84, 32:96], (112, 112)) / 127.5 - 1 for f in frames]
    coarse = np.stack([cv2.resize(s, (14, 14), interpolation=cv2.INTER_AREA) for s in seen])
    flat = coarse.reshape(16, -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    expected = 1 - np.mean([flat[k] @ flat[(k + 8) % 16] for k in range(16)])
    assert Person(real, known).distance(real)["identity"] == pytest.approx(expected, rel=0.05)


def test_pixels_are_brought_to_the_range_that_the_network_takes(tmp_path):
    plain, own = (
        Recogniser(recogniser(tmp_path / f"{levels}.onnx", levels=levels))
        for levels in (False, True)
    )
    faces = [np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)]
    np.testing.assert_allclose(plain.embed(faces), own.embed(faces), atol=1e-5)
    assert np.linalg.norm(plain.embed(faces)) == pytest.approx(1)


def test_nothing_is_said_without_landmarks_or_of_one_frame(tmp_path):
    known = Recogniser(recogniser(tmp_path / "r.onnx"))
    real = stretch(film(tmp_path / "real.mp4", 1))
    for marks in (None, np.full((40, 5, 2), np.nan), np.repeat(MARKS[None], 1, axis=0)):
        blind = Stretch(real.footage, 0, 40, landmarks=marks)
        assert Person(blind, known).distance(blind) == {}


def test_files_that_are_no_recogniser(tmp_path):
    (tmp_path / "text.onnx").write_text("no network")
    for path, problem in [
        (tmp_path / "none.onnx", "no such file"),
        (tmp_path / "text.onnx", "cannot be read as ONNX"),
        (recogniser(tmp_path / "maps.onnx", made="unused"), "its first output is (1, 3, 14, 14)"),
        (recogniser(tmp_path / "many.onnx", batch=8), "does not run"),
    ]:
        with pytest.raises(CheckpointError) as caught:
            Recogniser(path)
        assert problem in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_bench_has_it(tmp_path):
    known = recogniser(tmp_path / "r.onnx")
    root = tmp_path / "bench"
    for k in range(2):
        film(root / "real" / f"{k}.mp4", k)
        film(root / "same" / f"{k}.mp4", k, blur=1.2, sound=False)
        film(root / "other" / f"{k}.mp4", k, mouth=7 + k, sound=False)
    (root / "sound").mkdir()
    for k in range(2):
        write_audio(root / "sound" / f"{k}.wav", hiss(9 + k))
    options = {"judge": expert(), "detector": WithLandmarks()}
    result = bench(root, tmp_path / "out", identity=known, **options)
    measure = next(m for m in MEASURES if m.name == "identity")
    far = {kind: result.mean(kind, measure).mean for kind in ("real", "same", "other")}
    assert far["real"] < 0.05
    assert far["same"] < 2 * far["real"] + 0.01
    assert far["other"] > 4 * far["same"]
    assert "identity" in (tmp_path / "out" / "index.html").read_text()
    without = bench(root, tmp_path / "out", **options)
    assert without.mean("other", measure) is None
    assert {"detail_fine", "mouth_contrast", "flicker"} <= {m.name for m in without.measures}
    names = ("sharpness", "detail_fine")
    for name in names:
        blurred, real = (np.mean([*without.values(k, name).values()]) for k in ("same", "real"))
        assert blurred < real


def test_an_evaluation_of_a_generator_has_it(tmp_path, monkeypatch):
    known = recogniser(tmp_path / "r.onnx")
    folder = tmp_path / "videos"
    for k in range(2):
        film(folder / f"{k}.mp4", k, frames=25)
    from standins import Hearing

    options = {"judge": expert(), "detector": WithLandmarks(), "identity": known}
    pairs = random_pairs([folder], 2, 0)
    report = evaluate_generator(Hearing(), pairs, tmp_path / "out", **options)
    report.check()
    real, made = (report.overall(kind).picture["identity"].mean for kind in ("real", "generated"))
    assert real < 0.05
    assert made > 2 * real  # a grey mouth
    with pytest.raises(ConfigError, match="--identity requires --model"):
        _evaluate_videos(["a"], ["b"], None, identity=str(known))
