"""How much better a generator paints one person than the one that it began from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lipsync.data.inputs import Inputs
from lipsync.data.references import spread_references
from lipsync.data.store import open_clip
from lipsync.dubbing.lips import Lips
from lipsync.metrics.quality import edge_energy
from lipsync.metrics.statistics import Interval, mean_interval
from lipsync.windows import FPS

_BATCH = 25
_STEP = 2  # every so many-th frame is painted


@dataclass(frozen=True)
class Painted:
    """What a generator makes of held-out clips, of which it sees other frames.

    Attributes:
        psnr: of the lower halves in dB, (n,) one for each second.
        sharpness: energy of edges at the mouth beside that of the true pictures, 1 being as sharp.
    """

    psnr: np.ndarray
    sharpness: float


@dataclass(frozen=True)
class Gain:
    """Two generators on the same held-out seconds.

    Attributes:
        psnr_base, psnr: means in dB, of the lower half.
        psnr_gain: mean difference, with its 95 % interval by seconds.
        sharpness_base, sharpness: 1 is as sharp as the true pictures.
    """

    psnr_base: float
    psnr: float
    psnr_gain: Interval
    sharpness_base: float
    sharpness: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"psnr_gain": self.psnr_gain.as_dict()}


def compare(base: nn.Module, adapted: nn.Module, root: Path, keys: list[str]) -> Gain:
    """Let both paint the clips of a prepared set from their own sound."""
    before, after = (paint(model, root, keys) for model in (base, adapted))
    return Gain(
        psnr_base=float(before.psnr.mean()),
        psnr=float(after.psnr.mean()),
        psnr_gain=mean_interval(after.psnr - before.psnr),
        sharpness_base=before.sharpness,
        sharpness=after.sharpness,
    )


def paint(model: nn.Module, root: Path, keys: list[str]) -> Painted:
    """Let a generator paint clips from their own sound."""
    lips = Lips(model)
    errors: list[float] = []
    edges = np.zeros(2)
    for key in keys:
        clip = open_clip(root, key)
        inputs = Inputs(lips.size, lips.framing.name, 1, lips.feature, references=lips.references)
        for start in range(0, len(clip), FPS):
            frames = np.arange(start, min(start + FPS, len(clip)), _STEP)
            crops = clip.read(frames)
            shown = spread_references(clip, inputs, frames)
            sounds = lips.feature.cut(clip.feature(lips.feature), frames)
            painted = lips.generate(
                list(sounds[:, 0]), list(crops), [[(1.0, list(others))] for others in shown]
            )
            real = crops.astype(np.float32) / 255
            half = lips.size // 2
            errors.append(float(np.square(painted[:, half:] - real[:, half:]).mean()))
            edges += [_edges(painted), _edges(real)]
    psnr = -10 * np.log10(np.maximum(errors, 1e-10))
    return Painted(psnr, float(np.sqrt(edges[0] / max(edges[1], 1e-12))))


def _edges(faces: np.ndarray) -> float:
    return float(edge_energy(torch.from_numpy(faces).permute(0, 3, 1, 2)).sum())
