"""The tasks that a damaged file is put through, each in a folder of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data_prep.options import Options
from data_prep.run import prepare
from lipsync.checkpoints import load_model, save_model
from lipsync.dubbing import dub
from lipsync.dubbing.batch_list import read_batch
from lipsync.dubbing.options import read_settings
from lipsync.faces.detect import Detection, Detector
from lipsync.features import Mel
from lipsync.media import frame_times, probe, read_audio, read_frames, write_audio
from lipsync.models import SyncNet
from lipsync.sample.corpus import make_clip

BOX = np.array([44, 30, 116, 132], np.float32)


class Anywhere(Detector):
    """Finds a face in every frame: the detector is not under test."""

    name = "anywhere"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        return [Detection(BOX, 1.0, np.full((5, 2), np.nan, np.float32))]


class Grey(nn.Module):
    """A trivial, fast generator: always grey."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {"image_size": 32, "feature": Mel().record}

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        return mel.new_full((len(mel), 3, 32, 32), 0.5)


def make_texts(folder: Path) -> list[Path]:
    """Write weights in three formats, options for a dub, and lists of dubs."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = SyncNet(96, 0.0625, 0.0)
    save_model(network, folder / "net.safetensors")
    (folder / "net.safetensors.json").unlink(missing_ok=True)
    about = {"model": "SyncNet", "config": network.config}
    torch.save({"state_dict": network.state_dict(), "lipsync": about}, folder / "net.ckpt")
    torch.save(network.state_dict(), folder / "net.pth", _use_new_zipfile_serialization=False)
    (folder / "dub.yaml").write_text(
        "faces: left\nmin-face: 20\nfps: 30\ngate: false\ncrf: 20\nfrom: 0:01\n"
        "reference-frames: [1, 2]\n"
    )
    (folder / "list.csv").write_text(
        "face,audio,output,crf,gate\na.mp4,a.wav,a-out.mp4,20,yes\nb.mp4,b.wav,b-out.mp4,,\n"
    )
    (folder / "list.yaml").write_text(
        "- {face: a.mp4, audio: a.wav, output: o.mp4}\n- {face: b.mp4, audio: b.wav, output: p.mp4,"
        " crf: 20}\n"
    )
    return sorted(path for path in folder.iterdir() if path.suffix != ".json")


def make_tracks(seeds: Path) -> Path:
    """The file of face boxes written by a dub of the head."""
    path = seeds.parent / "tracks.json"
    if not path.exists():
        _dub(seeds / "h264.mp4", make_speech(seeds), seeds.parent / "first.mp4", tracks=path)
    return path


def make_speech(seeds: Path) -> Path:
    """The speech for dubs."""
    path = seeds.parent / "speech.wav"
    if not path.exists():
        write_audio(path, make_clip(0, 1, 0, 0.8, 160).wave)
    return path


def _dub(face: Path, audio: Path, output: Path, **options: object) -> None:
    dub(face, audio, output, model=Grey(), detector=Anywhere(), preset="ultrafast", **options)


def read(path: Path, _: Path) -> None:
    """Probe the file, and decode all frames and sound."""
    info = probe(path)
    if info.has_video:
        frame_times(path)
        for _time, frame in read_frames(path):
            assert frame.dtype == np.uint8
    if info.has_audio:
        assert np.isfinite(read_audio(path)).all()


def dubbed(path: Path, seeds: Path) -> None:
    """Dub, with the file as the face or as the sound; the dub has to be readable."""
    output = path.parent / "dubbed.mp4"
    if path.name.startswith("sound"):
        _dub(seeds / "h264.mp4", path, output)
    else:
        _dub(path, make_speech(seeds), output)
    read(output, seeds)
    output.unlink()


def dubbed_whatever(path: Path, seeds: Path) -> None:
    """Dub with damage tolerated and the sound looped."""
    output = path.parent / "dubbed.mkv"
    face, audio = path, make_speech(seeds)
    if path.name.startswith("sound"):
        face, audio = seeds / "h264.mp4", path
    _dub(face, audio, output, tolerate_damage=True, length="loop")
    output.unlink()


def prepared(path: Path, seeds: Path) -> None:
    """Run data_prep on the file and an intact one; neither may be rejected as "failed"."""
    source = path.parent / "source"
    source.mkdir()
    path.rename(source / path.name)
    shutil.copy(seeds / "h264.mp4", source / "whole.mp4")
    summary = prepare(source, path.parent / "out", Options(judge=None), workers=0, progress=False)
    failed = [row for row in summary.rows if row.reason == "failed"]
    assert not failed, failed
    shutil.rmtree(source)
    shutil.rmtree(path.parent / "out")


def tracked(path: Path, seeds: Path) -> None:
    """Dub with the file as face boxes."""
    output = path.parent / "dubbed.mp4"
    _dub(seeds / "h264.mp4", make_speech(seeds), output, tracks=path)
    output.unlink()


def weighed(path: Path, _: Path) -> None:
    """Load weights, a list of dubs, or options."""
    if path.stem == "net":
        for value in load_model(path).state_dict().values():
            assert torch.isfinite(value.float()).all()
    elif path.stem == "dub":
        json.dumps(read_settings(path), default=str)
    else:
        read_batch(path, {})


TASKS: dict[str, Callable[[Path, Path], None]] = {
    "read": read, "dub": dubbed, "tolerant": dubbed_whatever, "prepare": prepared,
    "tracks": tracked, "texts": weighed,
}  # fmt: skip
