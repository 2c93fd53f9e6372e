"""Tiny videos whose brightness follows their sound, and a detector and an expert for them."""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lipsync.evaluation import Judge
from lipsync.faces.detect import Detection, Detector
from lipsync.features import Mel
from lipsync.media import VideoWriter

BOX = np.array([20, 10, 76, 70], np.float32)


class FixedDetector(Detector):
    """Finds ``BOX`` unless the top left pixel is black."""

    name = "fixed"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        if frame[0, 0].max() < 16:
            return []
        return [Detection(BOX, 1.0, np.full((5, 2), np.nan, np.float32))]


class Loudness(nn.Module):
    """An expert that needs no training: compares brightness with loudness, frame by frame."""

    lower_half = True

    def __init__(self, window: int = 5) -> None:
        super().__init__()
        self.feature = Mel().spanning(window)
        self.config = {
            "image_size": 32,
            "window": window,
            "feature": self.feature.record,
            "framing": "box",
        }
        self.unused = nn.Parameter(torch.zeros(1))

    def see(self, faces: torch.Tensor) -> torch.Tensor:
        return faces.flatten(1, 2)

    def embed_face(self, faces: torch.Tensor) -> torch.Tensor:
        assert faces.shape[1:] == (3 * self.config["window"], 16, 32)
        return faces.unflatten(1, (-1, 3)).mean(dim=(2, 3, 4))  # (B, window), in [0, 1]

    def embed_audio(self, mel: torch.Tensor) -> torch.Tensor:
        assert mel.shape[1:] == (1, 80, self.feature.window)
        edges = [self.feature.start(frame / 25) for frame in range(self.config["window"])]
        edges.append(self.feature.window)
        power = 10 ** (mel[:, 0].mean(dim=1) * 100 / 8 / 20)  # decibels to amplitude
        parts = [power[:, a:b].mean(dim=1) for a, b in pairwise(edges)]
        return torch.stack(parts, dim=1) / 3.45 - 0.09  # on the scale of bright_and_loud


def bright_and_loud(frames: int, shift: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, 32, 32, 3) whose brightness is the sound's loudness ``shift`` frames later."""
    rng = np.random.default_rng(seed)
    level = np.convolve(rng.uniform(-0.5, 1.5, frames + 42), np.ones(3) / 3, "valid").clip(0, 1)
    faces = np.zeros((frames, 32, 32, 3), np.uint8)
    faces += (255 * level[20 : 20 + frames, None, None, None]).astype(np.uint8)
    loud = np.repeat(level[20 - shift : 20 - shift + frames], 640)
    wave = 0.3 * loud * rng.standard_normal(frames * 640).clip(-3, 3)
    return faces, wave.astype(np.float32)


def talking_video(path: Path, frames: int = 60, shift: int = 0, fps=25, hidden=()) -> Path:
    """A grey face (the whole frame) as bright as the sound is loud, ``shift`` frames apart."""
    faces, wave = bright_and_loud(frames, shift)
    with VideoWriter(path, fps, (96, 80), audio=wave, crf=8) as video:
        for k, face in enumerate(faces):
            picture = np.full((80, 96, 3), face[0, 0, 0], np.uint8)
            picture[:8, :8] = 0 if k in hidden else 128
            video.write(picture)
    return path


def expert() -> Judge:
    return Judge(Loudness(), "loudness")


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
    """The weights behind the recorded numbers."""
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
