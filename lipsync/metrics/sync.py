"""Accumulated sync metrics; each is right for any split of batches and under DDP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lipsync.metrics import functional as MF

Judge = Callable[..., tuple[Tensor, Tensor]]


class SyncScore(Metric):
    """Mean LSE-D and LSE-C over clips, and the share of clips whose offset is within one frame.

    Args:
        judge: called with the arguments of ``update``; returns (video_emb, audio_emb). It is not
            registered as a submodule: a network that the training module owns is neither saved
            twice nor moved by the metric. ``None``: ``update`` is given the embeddings.
        vshift: candidate offsets on either side, in frames.

    ``update(video_emb, audio_emb)``: the windows (n, d) of one clip, or (clips, n, d).

    ``compute()`` returns scalars ``distance``, ``confidence``, ``within_one`` in [0, 1], and
    ``clips``, how many there were.

    Raises:
        ValueError: from ``update``, as :func:`lipsync.metrics.functional.sync_score` does; from
            ``compute``, where no clip was given.

    Example:
        >>> metric = SyncScore()
        >>> metric.update(torch.eye(40), torch.eye(40))
        >>> metric.update(torch.eye(40), torch.eye(40).roll(4, dims=0))
        >>> float(metric.compute()["within_one"])
        0.5
    """

    higher_is_better = None
    is_differentiable = False
    full_state_update = False
    judge: Judge | None
    distance: Tensor
    confidence: Tensor
    within_one: Tensor
    clips: Tensor

    def __init__(self, judge: Judge | None = None, vshift: int = MF.VSHIFT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vshift = vshift
        self.__dict__["judge"] = judge  # past nn.Module's registration, see the class docstring
        for name in ("distance", "confidence", "within_one"):
            self.add_state(name, torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("clips", torch.tensor(0), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, *inputs: Any) -> None:
        video, audio = self.judge(*inputs) if self.judge is not None else inputs
        if video.ndim == 2:
            video, audio = video[None], audio[None]
        for clip_video, clip_audio in zip(video, audio, strict=True):
            result = MF.sync_score(clip_video, clip_audio, self.vshift)
            self.distance += result.distance
            self.confidence += result.confidence
            self.within_one += abs(result.offset) <= 1
            self.clips += 1

    def compute(self) -> dict[str, Tensor]:
        if self.clips == 0:
            raise ValueError("SyncScore: no clip was given")
        names = ("distance", "confidence", "within_one")
        means = {name: getattr(self, name) / self.clips for name in names}
        return means | {"clips": self.clips}


class OffSyncAccuracy(Metric):
    """Accuracy and AUC of a judge that distinguishes in-sync from off-sync pairs.

    Args:
        threshold: a score at or above it is called in sync. ``None``: the best threshold of the
            scores themselves, an optimistic number; fix it on a validation set to report a test.

    ``update(pos_scores, neg_scores)``: (p,) and (q,), higher meaning more in sync; either may be
    empty. ``compute()`` returns scalars ``accuracy``, ``auc`` and the ``threshold`` used.

    Raises:
        ValueError: from ``compute``, where one of the two sides has no scores, or NaN.

    Example:
        >>> metric = OffSyncAccuracy(threshold=0.5)
        >>> metric.update(torch.tensor([0.9, 0.4]), torch.tensor([0.1]))
        >>> metric.update(torch.tensor([]), torch.tensor([0.2]))
        >>> {name: float(value) for name, value in metric.compute().items()}
        {'accuracy': 0.75, 'auc': 1.0, 'threshold': 0.5}
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    positive: list[Tensor]
    negative: list[Tensor]

    def __init__(self, threshold: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold
        self.add_state("positive", [], dist_reduce_fx="cat")
        self.add_state("negative", [], dist_reduce_fx="cat")

    def update(self, pos_scores: Tensor, neg_scores: Tensor) -> None:
        self.positive.append(pos_scores.detach().flatten().float())
        self.negative.append(neg_scores.detach().flatten().float())

    def compute(self) -> dict[str, Tensor]:
        if not len(self.positive) or not len(self.negative):
            raise ValueError("OffSyncAccuracy: no scores were given")
        pos, neg = dim_zero_cat(self.positive), dim_zero_cat(self.negative)
        threshold = MF.best_threshold(pos, neg) if self.threshold is None else self.threshold
        return {
            "accuracy": MF.off_sync_accuracy(pos, neg, threshold),
            "auc": MF.auc(pos, neg),
            "threshold": torch.tensor(threshold),
        }
