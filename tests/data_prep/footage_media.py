"""Tiny videos of a real face (scikit-image's portrait, NASA, public domain), and runs on them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from skimage import data

from data_prep.options import Options
from data_prep.run import Summary, prepare
from lipsync.media import VideoWriter

RATE = 16000
FACE = cv2.resize(data.astronaut()[:300, 80:380], (160, 160), interpolation=cv2.INTER_AREA)
NOISE = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)


def tone(seconds: float) -> np.ndarray:
    return (0.4 * np.sin(np.arange(round(seconds * RATE)) / 7)).astype(np.float32)


def video(
    path: Path, pictures: list[np.ndarray], fps: float = 25, sound: float | None = None
) -> Path:
    """``sound`` seconds of a tone: as long as the picture if None, none if 0."""
    seconds = len(pictures) / fps if sound is None else sound
    with VideoWriter(path, fps, (160, 160), audio=tone(seconds) if seconds else None) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def moving(count: int) -> list[np.ndarray]:
    return [np.roll(FACE, i % 5, 1) for i in range(count)]


def run(
    source: Path, output: Path, workers: int = 0, reader: str | None = None, **options
) -> Summary:
    options = Options(**{"min_seconds": 0.2, "judge": None, **options})
    return prepare(source, output, options, workers=workers, reader=reader, progress=False)


def reasons(rows: list) -> dict[str, str]:
    """The reasons of each source's rows."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.source, []).append(row.reason)
    return {source: " ".join(those) for source, those in found.items()}
