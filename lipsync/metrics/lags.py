"""An expert's scores of face and audio pairs, by the lag between them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lipsync.metrics.functional import auc, best_threshold, off_sync_accuracy

MAX_LAG = 15
GAPS = (1, 2, 3, 5, 8, 12)


def lag_scores(audio: Tensor, face: Tensor, max_lag: int = MAX_LAG) -> Tensor:
    """Cosine similarity of every face window with the audio ``lag`` windows later.

    Args:
        audio, face: (n, d) unit embeddings of the windows of one clip, one per frame.
        max_lag: maximum lag either way, in frames.

    Returns:
        (n, 2 * max_lag + 1): column ``c`` is lag ``c - max_lag``; NaN beyond the ends of the audio.
    """
    n = len(face)
    scores = face.new_full((n, 2 * max_lag + 1), float("nan"), dtype=torch.float32)
    for column, lag in enumerate(range(-max_lag, max_lag + 1)):
        first, last = max(0, -lag), min(n, n - lag)
        if first < last:
            pairs = face[first:last].float() * audio[first + lag : last + lag].float()
            scores[first:last, column] = pairs.sum(dim=1)
    return scores


class LagReport(Metric):
    """Off-sync accuracy of an expert, overall and by gap, and the offsets of clips.

    Off-sync accuracy is the balanced accuracy at a single threshold; off-sync pairs come from the
    same clip, at least ``min_gap`` frames apart.

    Args:
        min_gap: minimum gap of the off-sync pairs in the headline number, in frames.
        max_lag: maximum lag, in frames.
        threshold: cosine above which a pair counts as in sync; None takes the best one for the
            data, which is only appropriate on a validation set.

    ``compute()`` returns a dict: ``accuracy``, ``threshold``, ``auc``, ``offset_within_1``
    (fraction of clips whose best lag is within a frame of 0), ``gaps`` {gap: accuracy at that gap},
    and ``profile`` (2 * max_lag + 1,), the mean cosine by lag.
    """

    full_state_update = False

    def __init__(
        self,
        min_gap: int = 5,
        max_lag: int = MAX_LAG,
        threshold: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min_gap, self.max_lag, self.threshold = min_gap, max_lag, threshold
        self.add_state("scores", default=[], dist_reduce_fx="cat")
        self.add_state("offsets", default=[], dist_reduce_fx="cat")
        self.scores: list[Tensor]
        self.offsets: list[Tensor]

    def update(self, audio: Tensor, face: Tensor) -> None:
        """Add one clip: (n, d) unit embeddings of its windows, in order."""
        scores = lag_scores(audio, face, self.max_lag)
        self.scores.append(scores)
        best = scores.nanmean(dim=0).nan_to_num(-1.0).argmax()
        self.offsets.append((best - self.max_lag).view(1))

    def compute(self) -> dict[str, Any]:
        scores, offsets = _cat(self.scores), _cat(self.offsets)
        gap = torch.arange(-self.max_lag, self.max_lag + 1, device=scores.device).abs()
        positive = scores[:, self.max_lag]
        negative = _finite(scores[:, gap >= self.min_gap])
        threshold = self.threshold
        if threshold is None:
            threshold = best_threshold(positive, negative)

        def accuracy(negatives: Tensor) -> float:
            return float(off_sync_accuracy(positive, negatives, threshold))

        by_gap = {g: _finite(scores[:, gap == g]) for g in GAPS if g <= self.max_lag}
        return {
            "accuracy": accuracy(negative),
            "threshold": threshold,
            "auc": float(auc(positive, negative)),
            "offset_within_1": float((offsets.abs() <= 1).float().mean()),
            "gaps": {g: accuracy(values) for g, values in by_gap.items() if len(values)},
            "profile": scores.nanmean(dim=0).cpu(),
        }


def _finite(scores: Tensor) -> Tensor:
    return scores[~scores.isnan()]


def _cat(parts: list[Tensor] | Tensor) -> Tensor:
    return torch.cat(list(parts)) if isinstance(parts, list) else parts
