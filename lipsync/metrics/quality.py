"""How pictures look: likeness to true ones, and what needs no true ones beside it. Pure functions.

Faces are square crops in which the mouth lies in the lower half. Likeness is taken picture by
picture; the rest are numbers to read beside those of the real videos, which are no perfect zero
either.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

KERNEL = 11  # pixels that the Gaussian of SSIM spans
SILENCE_DB = -30.0  # below a clip's loud frames, a frame counts as silent
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, Wang et al. 2003
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue
_LEAST_SILENCE = 5  # frames; motion in fewer is chance


def _check(pred: Tensor, target: Tensor) -> None:
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != 3 or not pred.numel():
        raise ValueError(
            "pictures must be two stacks (n, 3, height, width) of one shape, got "
            f"{tuple(pred.shape)} and {tuple(target.shape)}"
        )


def picture_psnr(pred: Tensor, target: Tensor) -> Tensor:
    """PSNR in dB of each picture: (n, 3, H, W) in [0, 1] twice -> (n,); infinity where equal."""
    _check(pred, target)
    return -10 * torch.log10((pred.float() - target.float()).square().mean(dim=(1, 2, 3)))


def ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each picture (Wang et al. 2004; Gaussian of 11 pixels, sigma 1.5).

    Args:
        pred, target: (n, 3, H, W), float in [0, 1], 11 pixels to a side or more.

    Returns:
        (n,) in [-1, 1], 1 where equal.

    Raises:
        ValueError: shapes that differ, or pictures that are smaller than the Gaussian.
    """
    _check(pred, target)
    if min(pred.shape[-2:]) < KERNEL:
        raise ValueError(f"SSIM needs {KERNEL} pixels to a side, got {tuple(pred.shape[-2:])}")
    found = structural_similarity_index_measure(
        pred.float(), target.float(), data_range=1.0, reduction="none"
    )
    assert isinstance(found, Tensor)  # of a call that asks for nothing beside it
    return found.reshape(-1)


def ms_ssim_scales(height: int, width: int) -> int:
    """How many of the five scales of MS-SSIM pictures of a size are large enough for, 1 to 5."""
    side = min(height, width)
    fitting = [k for k in range(1, 6) if side // max(1, (k - 1) ** 2) >= KERNEL]
    return max(fitting, default=1)


def ms_ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Multi-scale structural similarity of each picture (Wang, Simoncelli and Bovik 2003).

    Faces are small: the first :func:`ms_ssim_scales` scales are taken and their published weights
    brought to the sum 1; three for 96 x 96 and for its lower half. Arguments, result and errors as
    for :func:`ssim`, but the result lies in [0, 1].
    """
    _check(pred, target)
    height, width = pred.shape[-2:]
    if min(height, width) < KERNEL:
        raise ValueError(f"MS-SSIM needs {KERNEL} pixels to a side, got {(height, width)}")
    weights = np.array(_WEIGHTS[: ms_ssim_scales(height, width)])
    found = multiscale_structural_similarity_index_measure(
        pred.float(),
        target.float(),
        data_range=1.0,
        betas=tuple(float(w) for w in weights / weights.sum()),
        reduction="none",
    )
    return found.reshape(-1)


def luma(faces: np.ndarray) -> np.ndarray:
    """uint8 (..., H, W, 3) RGB -> float32 (..., H, W), 8-bit levels of BT.601 luma."""
    return np.asarray(faces, np.float32) @ np.array(LUMA, np.float32)


def sharpness(levels: np.ndarray) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of luma (H, W), in levels squared."""
    inner = levels[1:-1, 1:-1]
    around = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    return float((around - 4 * inner).var())


def motion(before: np.ndarray, now: np.ndarray) -> float:
    """Mean absolute change from one frame's luma (H, W) to the next, in levels."""
    return float(np.abs(now - before).mean())


def jitter(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute second difference over three frames' luma (H, W), in levels.

    Steady movement changes little in it; flicker from frame to frame counts four times.
    """
    return float(np.abs(before - 2 * now + after).mean())


def seam_strength(levels: np.ndarray) -> float:
    """How much a face's upper and lower half fall apart where a generator joins them.

    The mean step of luma (H, W) across the middle row, over the mean step across the rows near it
    (two to five rows away): about 1 without a seam. NaN where there is no step at all.
    """
    steps = np.abs(np.diff(levels, axis=0)).mean(axis=1)  # steps[i]: from row i to row i + 1
    middle = levels.shape[0] // 2 - 1
    near = np.concatenate([steps[middle - 5 : middle - 1], steps[middle + 2 : middle + 6]])
    return float(steps[middle] / near.mean()) if near.mean() > 0 else float("nan")


def silent_frames(wave: np.ndarray, frames: int, samples: int = 640) -> np.ndarray:
    """Which video frames are silent: (frames,) bool.

    A frame is silent where its root mean square lies 30 dB or more below that of the clip's loud
    frames (95th percentile); frames beyond the sound are.

    Args:
        wave: float32 (n,), sample 0 at the time of frame 0.
        frames: how many.
        samples: of a frame; 640 for 16 kHz and 25 fps.
    """
    padded = np.zeros(frames * samples, np.float32)
    padded[: min(len(wave), len(padded))] = wave[: len(padded)]
    level = np.sqrt(np.square(padded.reshape(frames, samples)).mean(axis=1))
    return level <= 10 ** (SILENCE_DB / 20) * np.percentile(level, 95)


def silent_motion(movement: np.ndarray, silent: np.ndarray) -> float:
    """Mean movement of a mouth that has nothing to say.

    Args:
        movement: (n - 1,) :func:`motion` from each frame to the next.
        silent: (n,) :func:`silent_frames`; a step counts where both its frames are silent.

    Returns:
        Levels a frame; NaN where fewer than five steps are silent.
    """
    quiet = silent[1:] & silent[:-1]
    if quiet.sum() < _LEAST_SILENCE:
        return float("nan")
    return float(movement[quiet].mean())


def landmark_distance(pred: np.ndarray, target: np.ndarray, scale: np.ndarray) -> float:
    """Mean distance of landmarks, as a share of a length in the face (LMD, Chen et al. 2018).

    Args:
        pred, target: (frames, points, 2) in pixels; frames with NaN are left out.
        scale: (frames,) the length in pixels, such as that between the eyes.

    Returns:
        The mean over frames and points; NaN where no frame has landmarks in both.

    Raises:
        ValueError: shapes that differ.
    """
    if pred.shape != target.shape or pred.ndim != 3 or scale.shape != pred.shape[:1]:
        raise ValueError(
            f"landmarks must be (frames, points, 2) twice and scale (frames,), got {pred.shape}, "
            f"{target.shape} and {scale.shape}"
        )
    apart = np.linalg.norm(pred - target, axis=2).mean(axis=1) / scale
    apart = apart[np.isfinite(apart)]
    return float(apart.mean()) if len(apart) else float("nan")


def edge_energy(faces: Tensor) -> Tensor:
    """How sharp the mouth is: mean square of the Laplacian of its luma, (n, 3, S, S) -> (n,).

    In the middle of the lower half; a number to read beside that of the real pictures, of which its
    root is the sharpness in use here.
    """
    side = faces.shape[-1]
    mouth = faces[..., side * 7 // 12 : side * 11 // 12, side * 7 // 24 : side * 17 // 24].float()
    luma = LUMA[0] * mouth[:, 0] + LUMA[1] * mouth[:, 1] + LUMA[2] * mouth[:, 2]
    around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    return (around - 4 * luma[:, 1:-1, 1:-1]).square().mean(dim=(1, 2))
