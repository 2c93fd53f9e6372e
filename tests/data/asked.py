"""The inputs that four trainings need of a clip, and helpers to identify frames and sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lipsync.data.clips import Clip
from lipsync.data.datasets import Clips, Windows
from lipsync.data.inputs import Inputs, Span
from lipsync.data.store import PreparedFolder
from lipsync.features import LipGANMFCC, Mel, SyncNetMFCC


def asked(**changes: Any) -> Inputs:
    return Inputs(**{"image_size": 96, "framing": "box"} | changes)


def spans(**windows: int) -> dict[str, Span]:
    """Mel for whole windows of so many frames, keyed by the network that uses it."""
    return {name: Span(Mel().spanning(frames), frames) for name, frames in windows.items()}


EXPERT = asked(spans=spans(expert=5), lower_half=True)
LONG_EXPERT = asked(spans=spans(expert=15))
JUDGE = asked(spans={"expert": Span(SyncNetMFCC(), 5)})
GENERATOR = asked(frames=5, sound=Mel(lead=2), references=1)
LIPGAN = asked(sound=LipGANMFCC(), references=1, shifted=6)


def training(root: Path, inputs: Inputs, **options: Any) -> Windows:
    return Windows(PreparedFolder(root, inputs.image_size), "train", inputs, **options)


def evaluation(root: Path, inputs: Inputs, split: str = "val", **options: Any) -> Clips:
    return Clips(PreparedFolder(root, inputs.image_size), split, inputs, **options)


def shown(pictures: np.ndarray) -> list:
    """Frame numbers, which the fixture writes into the first pixel of each half."""
    return pictures[..., 0, 0, 0].astype(int).tolist()


def columns(clip: Clip, feature: str, first: int, count: int, silence: float) -> np.ndarray:
    """Columns of a stored feature, padded with silence on both sides."""
    values = np.load(clip.path / f"{feature}.npy")
    padded = np.pad(values, ((0, 0), (100, 100)), constant_values=silence)
    return padded[:, 100 + first : 100 + first + count]
