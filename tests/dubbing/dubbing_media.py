"""Tiny media, a detector that needs no face, and a generator that shows what it heard."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from lipsync.faces.detect import Detection, Detector
from lipsync.media import VideoWriter

SIZE = (96, 80)  # width, height
BOX = np.array([24, 10, 68, 62], np.float32)


class FixedDetector(Detector):
    """Finds ``BOX`` in every frame except in those whose top left pixel is black."""

    name = "fixed"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        if frame[0, 0].max() < 16:
            return []
        return [Detection(BOX, 1.0, np.full((5, 2), np.nan, np.float32))]


class Hearing(nn.Module):
    """A generator whose picture is grey, as bright as its mel window is high: -4 black, 4 white."""

    def __init__(self, mel_lead: int = 0, fail_at: int | None = None, error=RuntimeError) -> None:
        super().__init__()
        self.config = {"image_size": 32, "mel_lead": mel_lead}
        self.fail_at, self.error, self.seen, self.inputs = fail_at, error, 0, []

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        assert mel.shape[1:] == (1, 80, 16)
        assert faces.shape[1:] == (6, 32, 32)
        self.seen += len(mel)
        if self.fail_at is not None and self.seen > self.fail_at:
            raise self.error("the generator fails")
        self.inputs.append((mel.clone(), faces.clone()))
        level = (mel.mean(dim=(1, 2, 3)) + 4) / 8
        return level[:, None, None, None].expand(-1, 3, 32, 32)


def frame(k: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frame k: texture, and in its top left corner a patch as bright as k (up to 39) says."""
    rng = np.random.default_rng(7)
    picture = rng.integers(30, 70, (size[1], size[0], 3), dtype=np.uint8)
    picture[:8, :8] = 40 + 5 * (k % 40)
    return picture


def make_video(path: Path, frames: int, fps=25, size=SIZE, hidden=(), audio=None) -> Path:
    """A video of :func:`frame`; frames in ``hidden`` have a black corner, so no face."""
    with VideoWriter(path, fps, size, crf=1, audio=audio) as video:
        for k in range(frames):
            picture = frame(k, size)
            if k in hidden:
                picture[:8, :8] = 0
            video.write(picture)
    return path


def tone(seconds: float, loud_from: float = 0.0) -> np.ndarray:
    """Silence, then noise from ``loud_from`` on; 16 kHz."""
    n = round(seconds * 16000)
    wave = 0.3 * np.random.default_rng(0).standard_normal(n).clip(-3, 3) / 3
    wave[: round(loud_from * 16000)] = 0
    return wave.astype(np.float32)
