"""What the networks of four trainings ask of a clip, and how tests tell frames and sound apart."""

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
    """Mel beside whole windows of so many frames, by the name of who hears it."""
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
    """Which frames these are: the fixture writes their number into the first pixel of each half."""
    return pictures[..., 0, 0, 0].astype(int).tolist()


def columns(clip: Clip, feature: str, first: int, count: int, silence: float) -> np.ndarray:
    """Columns of a stored feature, with silence for as long as anyone asks on both sides."""
    values = np.load(clip.path / f"{feature}.npy")
    padded = np.pad(values, ((0, 0), (100, 100)), constant_values=silence)
    return padded[:, 100 + first : 100 + first + count]
