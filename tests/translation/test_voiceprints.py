"""Speaker embeddings with a tiny network made by the test, run by sherpa-onnx."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from translation_media import HEARD, engines, make_talk, work

from lipsync.errors import CheckpointError, ConfigError, LipsyncError, StageError
from lipsync.sample.corpus import make_clip
from lipsync.translation import Options, translate
from lipsync.translation import voiceprints as module
from lipsync.translation.clusters import cluster
from lipsync.translation.voiceprints import check_speaker_model, voiceprints

METADATA = {
    "framework": "wespeaker",
    "output_dim": 80,
    "sample_rate": 16_000,
    "language": "English",
    "normalize_samples": 1,
}


def embedding(path: Path, metadata: dict = METADATA) -> Path:
    """A network that returns the mean of its log-energy frames."""
    value = helper.make_tensor_value_info
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceMean", ["x", "axes"], ["embedding"], keepdims=0)
    graph = helper.make_graph(
        [node],
        "mean",
        [value("x", TensorProto.FLOAT, ("n", "t", 80))],
        [value("embedding", TensorProto.FLOAT, ("n", 80))],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {name: str(value) for name, value in metadata.items()})
    onnx.save(model, str(path))
    return path


@pytest.fixture
def installed(monkeypatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: object())


def test_lines_of_one_voice_are_grouped_by_sherpa_onnx(tmp_path: Path) -> None:
    pytest.importorskip("sherpa_onnx", reason="needs the extra 'speakers'")
    people = [0, 1, 0, 0, 1, 1]
    waves = [
        make_clip(seed=2, speaker=who, clip=k, seconds=1.8, size=32).wave
        for k, who in enumerate(people)
    ]
    path = embedding(tmp_path / "mean of a voice, and more.onnx")
    waves += [np.zeros(16_000, np.float32), waves[0][:0]]
    found = voiceprints(path, waves)
    assert [np.linalg.norm(one) for one in found] == pytest.approx([1.8] * 6 + [0, 0])
    assert cluster(found[:6], 2) == people


def test_lines_are_grouped_by_the_angle_of_their_voiceprints() -> None:
    a, b, unknown = np.array([1.0, 0.0]), np.array([0.5, 0.9]), np.zeros(2)
    lines = [2 * a, b, 0.5 * a, 3 * b]
    assert cluster(lines, 2) == [0, 1, 0, 1]
    assert cluster([*lines, unknown], 2)[:4] == [0, 1, 0, 1]
    assert cluster([a, a, a], 2, apart=[(0, 2)]) in ([0, 0, 1], [0, 1, 1])
    assert cluster(lines, 2, faces=["left", "left", None, None]) == [0, 0, 0, 1]


def test_an_odd_line_does_not_stay_alone() -> None:
    """Two voices with four lines each; one line of the second is an outlier."""
    noise = np.random.default_rng(0).normal(0, 1, (9, 50, 13))
    noise[4:, :, 0] += 4
    noise[8, :, 1] += 5
    assert cluster(list(noise), 2) == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    prints = [np.array([1, 0, 0.0])] * 4 + [np.array([0.6, 0.8, 0])] * 4
    odd = np.array([0.2, 0.4, 0.89])
    assert cluster([*prints, odd], 2) == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_refused_files(tmp_path: Path, installed: None) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    lacking = [{k: v for k, v in METADATA.items() if k != name} for name in METADATA]
    paths = [embedding(tmp_path / f"{k}.onnx", metadata) for k, metadata in enumerate(lacking)]
    nemo = embedding(tmp_path / "nemo.onnx", METADATA | {"framework": "nemo"})
    other = embedding(tmp_path / "other.onnx", METADATA | {"framework": "another"})
    for path, problem in (
        (tmp_path / "gone.onnx", "no such file"),
        (tmp_path, "is a folder"),
        (text, "cannot be read as ONNX"),
        *((path, f"has no '{name}'") for path, name in zip(paths, METADATA, strict=True)),
        (nemo, "has no 'feat_dim'"),
        (other, "is of another framework"),
    ):
        with pytest.raises(CheckpointError, match=f"{problem}.*; give a speaker embedding"):
            check_speaker_model(path)
    check_speaker_model(embedding(tmp_path / "good.onnx"))


def test_refused_before_any_work(tmp_path: Path, output: Path, monkeypatch) -> None:
    video = make_talk(tmp_path / "talk.mp4", 2.0, HEARD[:1])
    model = embedding(tmp_path / "good.onnx")
    options, *_ = engines(speakers=2, speaker_model=model)
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(StageError, match="sherpa-onnx is not installed; pip install "):
        translate(video, output, options)
    options, *_ = engines(speakers=2, speaker_model=str(tmp_path / "gone.onnx"))
    with pytest.raises(LipsyncError):
        translate(video, output, options)
    assert not work(output).exists()
    with pytest.raises(ConfigError, match="add --speakers"):
        Options(to="es", speaker_model=model)
