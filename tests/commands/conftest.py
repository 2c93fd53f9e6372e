"""Tiny inputs for commands."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lipsync.checkpoints import save_model
from lipsync.features import Mel
from lipsync.media import VideoWriter, write_audio
from lipsync.models import SyncNet, Wav2Lip


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    save_model(Wav2Lip(width=0.1, depth=0, feature=Mel(lead=2)), folder / "generator.safetensors")
    save_model(SyncNet(width=0.1, depth=0), folder / "expert.safetensors")
    return folder


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """``face.mp4``, half a second of noise without a face, and ``sound.wav``."""
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "face.mp4", 25, (64, 64)) as video:
        for _ in range(12):
            video.write(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    write_audio(tmp_path / "sound.wav", rng.uniform(-0.1, 0.1, 8000).astype(np.float32))
    return tmp_path
