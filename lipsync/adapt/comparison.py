"""Comparison of an adapted generator with its base, on one person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lipsync.data.clips import Clip
from lipsync.data.inputs import Inputs
from lipsync.data.references import spread_references
from lipsync.data.store import open_clip
from lipsync.generators.lips import Lips
from lipsync.metrics.leakage import window_motion
from lipsync.metrics.quality import edge_energy
from lipsync.metrics.statistics import Interval, mean_interval
from lipsync.windows import FPS

_STEP = 2  # render every second frame
_SILENT = 5  # consecutive frames per second also rendered with silence


@dataclass(frozen=True)
class RenderMetrics:
    """Metrics of a generator on held-out clips, with other frames of them as references.

    Attributes:
        psnr: of the lower halves in dB, (n,), one per second.
        edges: edge energy at the mouth, (n, 2): generated, and ground truth.
        motion: of the mouth from frame to frame, (n, 2): generated with silence, and ground
            truth; NaN for a second of one frame.
    """

    psnr: np.ndarray
    edges: np.ndarray
    motion: np.ndarray

    @property
    def sharpness(self) -> float:
        """Sharpness relative to ground truth, which has 1."""
        rendered, real = self.edges.sum(axis=0)
        return float(np.sqrt(rendered / max(real, 1e-12)))

    @property
    def silent_motion(self) -> float:
        """Leakage: mouth motion under silence as a share of the true motion."""
        rendered, real = np.nansum(self.motion, axis=0)
        return float(rendered / max(real, 1e-12))


@dataclass(frozen=True)
class Gain:
    """Base and adapted generator on the same held-out seconds.

    Attributes:
        psnr_base, psnr: means in dB, of the lower half.
        psnr_gain: mean difference, with its 95 % interval over seconds.
        sharpness_base, sharpness: relative to ground truth, which has 1.
        silent_motion_base, silent_motion: leakage of the old mouth, see :class:`RenderMetrics`.
    """

    psnr_base: float
    psnr: float
    psnr_gain: Interval
    sharpness_base: float
    sharpness: float
    silent_motion_base: float
    silent_motion: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"psnr_gain": self.psnr_gain.as_dict()}


def compare(before: RenderMetrics, after: RenderMetrics) -> Gain:
    """Compare two generators on the same clips."""
    return Gain(
        psnr_base=float(before.psnr.mean()),
        psnr=float(after.psnr.mean()),
        psnr_gain=mean_interval(after.psnr - before.psnr),
        sharpness_base=before.sharpness,
        sharpness=after.sharpness,
        silent_motion_base=before.silent_motion,
        silent_motion=after.silent_motion,
    )


def measure_renders(model: nn.Module, root: Path, keys: list[str]) -> RenderMetrics:
    """Render clips from their own sound, and measure the result."""
    lips = Lips(model)
    errors, edges, motion = [], [], []
    for key in keys:
        clip = open_clip(root, key)
        for start in range(0, len(clip), FPS):
            frames = np.arange(start, min(start + FPS, len(clip)))
            some, few = frames[::_STEP], frames[:_SILENT]
            real, rendered = _real(clip, some), render_frames(lips, clip, some)
            half = lips.size // 2
            errors.append(float(np.square(rendered[:, half:] - real[:, half:]).mean()))
            edges.append([_edges(rendered), _edges(real)])
            silent_render = render_frames(lips, clip, few, silent=True)
            motion.append([_motion(silent_render), _motion(_real(clip, few))])
    psnr = -10 * np.log10(np.maximum(errors, 1e-10))
    return RenderMetrics(psnr, np.array(edges), np.array(motion))


def render_frames(lips: Lips, clip: Clip, frames: np.ndarray, silent: bool = False) -> np.ndarray:
    """Render frames of a clip, from their own sound or from silence.

    Args:
        lips: the generator.
        clip: a clip in its framing.
        frames: (n,) indices.
        silent: use silence, and the references of the first frame for all.

    Returns:
        float32 (n, S, S, 3) RGB in [0, 1].
    """
    inputs = Inputs(lips.size, lips.framing.name, 1, lips.feature, references=lips.references)
    pictures = spread_references(clip, inputs, frames[:1] if silent else frames)
    sounds = lips.feature.cut(clip.feature(lips.feature), frames)[:, 0]
    if silent:
        pictures = pictures.repeat(len(frames), axis=0)
        sounds = np.full_like(sounds, lips.feature.silence)
    references = [[(1.0, list(others))] for others in pictures]
    return lips.generate(list(sounds), list(clip.read(frames)), references)


def _real(clip: Clip, frames: np.ndarray) -> np.ndarray:
    return clip.read(frames).astype(np.float32) / 255


def _edges(faces: np.ndarray) -> float:
    return float(edge_energy(torch.from_numpy(faces).permute(0, 3, 1, 2)).sum())


def _motion(faces: np.ndarray) -> float:
    return float(window_motion(torch.from_numpy(faces).permute(0, 3, 1, 2)[None]))
