"""Image quality: full-reference and no-reference metrics. Pure functions.

Faces are square crops with the mouth in the lower half. Full-reference metrics are computed per
image. No-reference metrics are to be compared with those of real video, which are not zero either.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

KERNEL = 11  # width of SSIM's Gaussian window, in pixels
SILENCE_DB = -30.0  # level of a silent frame, relative to a clip's loud frames
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # per scale, Wang et al. 2003
LUMA = (0.299, 0.587, 0.114)  # weights of R, G, B
_LEAST_SILENCE = 5  # steps between silent frames below which motion is not reported


def _check(pred: Tensor, target: Tensor) -> None:
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != 3 or not pred.numel():
        raise ValueError(
            "pictures must be two stacks (n, 3, height, width) of one shape, got "
            f"{tuple(pred.shape)} and {tuple(target.shape)}"
        )


def picture_psnr(pred: Tensor, target: Tensor) -> Tensor:
    """PSNR in dB per image: (n, 3, H, W) in [0, 1] each -> (n,); infinite for equal images."""
    _check(pred, target)
    return -10 * torch.log10((pred.float() - target.float()).square().mean(dim=(1, 2, 3)))


def ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Structural similarity per image (Wang et al. 2004; 11-pixel Gaussian window, sigma 1.5).

    Args:
        pred, target: (n, 3, H, W), float in [0, 1], H and W at least 11.

    Returns:
        (n,) in [-1, 1], 1 for equal images.

    Raises:
        ValueError: shapes that differ, or images smaller than the window.
    """
    _check(pred, target)
    if min(pred.shape[-2:]) < KERNEL:
        raise ValueError(f"SSIM needs {KERNEL} pixels to a side, got {tuple(pred.shape[-2:])}")
    found = structural_similarity_index_measure(
        pred.float(), target.float(), data_range=1.0, reduction="none"
    )
    assert isinstance(found, Tensor)  # a tuple only with further options
    return found.reshape(-1)


def ms_ssim_scales(height: int, width: int) -> int:
    """Number of MS-SSIM scales, 1 to 5, for which an image is large enough."""
    side = min(height, width)
    fitting = [k for k in range(1, 6) if side // max(1, (k - 1) ** 2) >= KERNEL]
    return max(fitting, default=1)


def ms_ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Multi-scale structural similarity per image (Wang, Simoncelli and Bovik 2003).

    Faces are small, so only the first :func:`ms_ssim_scales` scales are used, with the published
    weights normalised to a sum of 1: three scales for 96 x 96 and for its lower half. Arguments,
    result and errors as for :func:`ssim`, but the result lies in [0, 1].
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
    """BT.601 luma in 8-bit levels: uint8 (..., H, W, 3) RGB -> float32 (..., H, W)."""
    return np.asarray(faces, np.float32) @ np.array(LUMA, np.float32)


def sharpness(levels: np.ndarray) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of luma (H, W), in levels squared."""
    inner = levels[1:-1, 1:-1]
    around = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    return float((around - 4 * inner).var())


def motion(before: np.ndarray, now: np.ndarray) -> float:
    """Mean absolute change of luma (H, W) between two frames, in levels."""
    return float(np.abs(now - before).mean())


def jitter(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute second difference of luma (H, W) over three frames, in levels.

    Steady movement contributes little; frame-to-frame flicker counts four times.
    """
    return float(np.abs(before - 2 * now + after).mean())


def seam_strength(levels: np.ndarray) -> float:
    """Visibility of the seam between a face's upper and lower half.

    The mean step of luma (H, W) across the middle, divided by the mean step two to five rows away:
    about 1 without a seam. NaN if there are no steps at all.
    """
    steps = np.abs(np.diff(levels, axis=0)).mean(axis=1)  # steps[i]: from row i to row i + 1
    middle = levels.shape[0] // 2 - 1
    near = np.concatenate([steps[middle - 5 : middle - 1], steps[middle + 2 : middle + 6]])
    return float(steps[middle] / near.mean()) if near.mean() > 0 else float("nan")


def silent_frames(wave: np.ndarray, frames: int, samples: int = 640) -> np.ndarray:
    """Which video frames are silent: (frames,) bool.

    A frame is silent if its RMS level is at least 30 dB below that of the clip's loud frames (95th
    percentile); frames beyond the end of the audio are silent.

    Args:
        wave: float32 (n,), starting with frame 0.
        frames: number of frames.
        samples: samples per frame; 640 for 16 kHz and 25 fps.
    """
    padded = np.zeros(frames * samples, np.float32)
    padded[: min(len(wave), len(padded))] = wave[: len(padded)]
    level = np.sqrt(np.square(padded.reshape(frames, samples)).mean(axis=1))
    return level <= 10 ** (SILENCE_DB / 20) * np.percentile(level, 95)


def silent_motion(movement: np.ndarray, silent: np.ndarray) -> float:
    """Mean motion of the mouth in silence.

    Args:
        movement: (n - 1,) :func:`motion` between successive frames.
        silent: (n,) :func:`silent_frames`; a step counts if both of its frames are silent.

    Returns:
        Levels per frame; NaN if fewer than five steps are silent.
    """
    quiet = silent[1:] & silent[:-1]
    if quiet.sum() < _LEAST_SILENCE:
        return float("nan")
    return float(movement[quiet].mean())


def landmark_distance(pred: np.ndarray, target: np.ndarray, scale: np.ndarray) -> float:
    """Mean landmark distance, normalised by a length in the face (LMD, Chen et al. 2018).

    Args:
        pred, target: (frames, points, 2) in pixels; frames with NaN are left out.
        scale: (frames,) length in pixels, such as the distance between the eyes.

    Returns:
        The mean over frames and points; NaN if no frame has landmarks in both.

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
    """Sharpness of the mouth: mean squared Laplacian of luma, (n, 3, S, S) -> (n,).

    Computed in the middle of the lower half. Compare with real images; its square root is the
    amplitude that the selection score compares.
    """
    side = faces.shape[-1]
    mouth = faces[..., side * 7 // 12 : side * 11 // 12, side * 7 // 24 : side * 17 // 24].float()
    luma = LUMA[0] * mouth[:, 0] + LUMA[1] * mouth[:, 1] + LUMA[2] * mouth[:, 2]
    around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    return (around - 4 * luma[:, 1:-1, 1:-1]).square().mean(dim=(1, 2))
