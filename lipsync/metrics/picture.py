"""Accumulated picture metrics; each is right for any split of batches and under DDP."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.image import PeakSignalNoiseRatio

from lipsync.metrics import quality
from lipsync.windows import lower_half


class LowerHalfPSNR(PeakSignalNoiseRatio):
    """PSNR in dB over the lower half of the rows of all pictures together.

    The squared error is pooled before the logarithm, so the number does not depend on how pictures
    are batched (a mean of PSNRs would, and is never lower).

    ``update(pred, target)``: (..., height, width), float in [0, 1]. ``compute()``: a scalar.

    Raises:
        ValueError: from ``update``, shapes that differ or pixels that are not float; from
            ``compute``, where no picture was given.

    Example:
        >>> metric = LowerHalfPSNR()
        >>> metric.update(torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.1))
        >>> round(float(metric.compute()), 4)
        20.0
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(data_range=1.0, **kwargs)

    @torch.no_grad()
    def update(self, preds: Tensor, target: Tensor) -> None:
        if preds.shape != target.shape:
            raise ValueError(f"shapes differ: {tuple(preds.shape)} and {tuple(target.shape)}")
        if not (preds.is_floating_point() and target.is_floating_point()):
            raise ValueError(f"pixels must be float in [0, 1], got {preds.dtype}, {target.dtype}")
        super().update(lower_half(preds).float(), lower_half(target).float())

    def compute(self) -> Tensor:
        if self.total == 0:
            raise ValueError("LowerHalfPSNR: no picture was given")
        return super().compute()


class PictureQuality(Metric):
    """Similarity of generated faces to the true ones, for whole faces and lower halves.

    ``update(pred, target)``: (n, 3, H, W), float in [0, 1]. ``compute()`` returns means over
    pictures, as scalars: ``psnr`` in dB, ``ssim`` and ``ms_ssim`` (see
    :mod:`lipsync.metrics.quality`), each also as ``..._lower`` over the lower half; and
    ``pictures``, the number of pictures. Identical pictures count as 100 dB, so that they do not
    make the mean PSNR infinite.

    Raises:
        ValueError: from ``update``, shapes that differ or pictures that are too small; from
            ``compute``, where no picture was given.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    NAMES = ("psnr", "psnr_lower", "ssim", "ssim_lower", "ms_ssim", "ms_ssim_lower")
    EQUAL = 100.0  # dB
    pictures: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in self.NAMES:
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("pictures", torch.tensor(0), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, pred: Tensor, target: Tensor) -> None:
        for ending, a, b in (("", pred, target), ("_lower", lower_half(pred), lower_half(target))):
            found = {
                "psnr": quality.picture_psnr(a, b).clamp(max=self.EQUAL),
                "ssim": quality.ssim(a, b),
                "ms_ssim": quality.ms_ssim(a, b),
            }
            for name, values in found.items():
                setattr(self, name + ending, getattr(self, name + ending) + values.double().sum())
        self.pictures += len(pred)

    def compute(self) -> dict[str, Tensor]:
        if self.pictures == 0:
            raise ValueError("PictureQuality: no picture was given")
        means = {name: getattr(self, name) / self.pictures for name in self.NAMES}
        return means | {"pictures": self.pictures}
