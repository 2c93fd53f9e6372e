"""A user's program, for type checking only: types of the public functions.

mypy --strict tests/typed_use.py
"""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from torch import Tensor, nn

import lipsync
from lipsync.audio import melspectrogram
from lipsync.checkpoints import bundled_models, describe, load_model, push_to_hub, save_model
from lipsync.dubbing import DubbedFrame, DubResult, LiveSession, dub, dub_frames
from lipsync.errors import LipsyncError
from lipsync.evaluation import Judge, Report, as_judge, bench, evaluate
from lipsync.export import export, interpolate_networks
from lipsync.features import Feature, feature_of
from lipsync.metrics import SyncResult, sync_score
from lipsync.models import Network


def models(folder: Path) -> None:
    network = lipsync.from_pretrained("hf://org/repo@v1", device="cuda")
    assert_type(network, Network)
    assert_type(load_model(folder / "best.ckpt", part="discriminator"), Network)
    assert_type(save_model(network, folder / "m.safetensors"), dict[str, Any])
    assert_type(lipsync.push_to_hub(network, "org/repo", card={"licence": "MIT"}), str)
    assert_type(push_to_hub("wav2lip-gan-grid", "org/repo"), str)
    assert_type(interpolate_networks(network, network, 0.5), Network)
    assert_type(export("wav2lip-gan-grid", folder / "m.onnx"), str)
    assert_type(bundled_models(), list[str])
    assert_type(feature_of(network), Feature)
    print(describe("judge-open")["sha256"])


def dubs(folder: Path) -> None:
    def progress(stage: str, done: int, total: int | None) -> None:
        print(stage, done, total)

    result = dub("face.mp4", folder / "speech.wav", "out.mp4", progress=progress, crf=20)
    assert_type(result, DubResult)
    assert_type(result.output, Path)
    for frame in dub_frames("face.mp4", "speech.wav"):
        assert_type(frame, DubbedFrame)
        assert_type(frame.number, int)
    print(LiveSession("face.png"))


def scores(video: Tensor, audio: Tensor, wave: np.ndarray) -> None:
    assert_type(evaluate(["dubbed.mp4"], ["real.mp4"]), Report)
    assert_type(as_judge("judge-open"), Judge)
    print(bench("dubs", "page").table())
    assert_type(sync_score(video, audio), SyncResult)
    print(melspectrogram(wave).shape)


def refused(network: nn.Module) -> None:
    load_model(5)  # type: ignore[arg-type]
    interpolate_networks(network, network, 0.5)  # type: ignore[arg-type]
    try:
        dub("face.mp4", "speech.wav", "out.mp4", progress="bar")  # type: ignore[arg-type]
    except LipsyncError as error:
        print(error)
