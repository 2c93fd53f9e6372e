"""Tiny media, and a detector that needs no face."""

from pathlib import Path

import numpy as np
import torch
from standins import Hearing

from lipsync.dubbing import dub
from lipsync.dubbing.result import DubResult
from lipsync.faces.crops import steady_box
from lipsync.faces.detect import Detection, Detector
from lipsync.media import VideoWriter
from lipsync.models import Wav2Lip

SIZE = (96, 80)  # width, height
BOX = np.array([24, 10, 68, 62], np.float32)
SQUARE = steady_box(BOX[None])
BAD = Path(__file__).parents[3] / "shared" / "data" / "bad"


class FixedDetector(Detector):
    """Finds ``BOX`` in every frame, except those with a black top-left pixel."""

    name = "fixed"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        if frame[0, 0].max() < 16:
            return []
        return [Detection(BOX, 1.0, np.full((5, 2), np.nan, np.float32))]


def frame(k: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frame k: texture, and a top-left patch whose brightness encodes k (up to 39)."""
    rng = np.random.default_rng(7)
    picture = rng.integers(30, 70, (size[1], size[0], 3), dtype=np.uint8)
    picture[:8, :8] = 40 + 5 * (k % 40)
    return picture


def make_video(path: Path, frames: int, fps=25, size=SIZE, hidden=(), audio=None) -> Path:
    """A video of :func:`frame`; frames in ``hidden`` have a black corner, and so no face."""
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


def tiny_dub(face, audio, output, model=None, **options) -> DubResult:
    """A dub by :class:`Hearing` of the face found by :class:`FixedDetector`."""
    options = {"detector": FixedDetector(), "batch_size": 8, "crf": 1, "match": False, **options}
    return dub(face, audio, output, model=model or Hearing(), **options)


def painting(level: float) -> Wav2Lip:
    """A generator that paints everything in one grey."""
    torch.manual_seed(0)
    network = Wav2Lip(image_size=96, width=0.06, depth=0.0)
    *_, last = (
        part for part in network.output_block.modules() if isinstance(part, torch.nn.Conv2d)
    )
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(np.log(level / (1 - level)))
    return network


def mouth_level(picture: np.ndarray) -> float:
    """Brightness of a frame at the mouth."""
    x, y = (SQUARE[:2] + (SQUARE[2:] - SQUARE[:2]) * [0.5, 0.66]).astype(int)
    return float(picture[y - 1 : y + 2, x - 1 : x + 2].mean())


def corner_number(picture: np.ndarray) -> int:
    """The frame number in an image made by :func:`frame`."""
    return int(np.rint((picture[2:6, 2:6].mean() - 40) / 5))


def make_variable(path: Path, times: list[float], audio: np.ndarray | None = None) -> Path:
    """A video of :func:`frame` with arbitrary timestamps."""
    spans = np.diff([*times, times[-1] + 0.04])
    with VideoWriter(path, 25, SIZE, crf=1, audio=audio, variable=True) as video:
        for k, (start, seconds) in enumerate(zip(times, spans, strict=True)):
            video.write(frame(k), start, float(seconds))
    return path
