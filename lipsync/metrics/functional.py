"""Pure functions on embeddings, scores and pictures; no networks, no state.

``sync_score`` is the offset search of the published SyncNet evaluation (Chung and Zisserman, "Out
of time", 2016, section 4); its numbers are the LSE-D and LSE-C of Prajwal et al., "A lip sync
expert is all you need", 2020, section 4.2. The classes of :mod:`lipsync.metrics` accumulate them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lipsync.metrics.search import VSHIFT, OffsetSearch

MEDIAN_TAPS = 9  # length of the median filter over the per-frame confidence, as published


class SyncResult(NamedTuple):
    """What :func:`sync_score` finds for one clip of ``n`` windows."""

    distance: float
    """LSE-D: the mean distance at the best offset; lower is better."""
    confidence: float
    """LSE-C: the median over the candidate offsets minus ``distance``; higher is better."""
    offset: int
    """In frames; positive where the sound of a window is found that many windows earlier."""
    frame_confidence: Tensor
    """(n,) confidence of every window at ``offset``, median filtered over 9 windows."""
    fine_offset: float
    """``offset`` to a fraction of a frame, see :func:`fine_offset`; not in published evaluation."""


@torch.no_grad()
def sync_score(video_emb: Tensor, audio_emb: Tensor, vshift: int = VSHIFT) -> SyncResult:
    r"""Distance, confidence and offset of one clip, as in the published SyncNet evaluation.

    With video embeddings :math:`v_i`, audio embeddings :math:`a_j` (zero outside of the clip) and
    candidates :math:`c = 0 \dots 2s`, :math:`s` being ``vshift``:

    .. math::
        d_{ic} = \lVert v_i - a_{i + c - s} + 10^{-6} \rVert_2, \qquad
        m_c = \tfrac{1}{n} \textstyle\sum_i d_{ic}

    distance :math:`= \min_c m_c`, confidence :math:`= \operatorname{median}_c m_c - \min_c m_c`,
    offset :math:`= s - \arg\min_c m_c`.

    ``fine_offset`` is ours: the offset between frames, see :func:`fine_offset`.

    Args:
        video_emb: (n, d) one embedding for each window of frames, one window per frame; a tensor or
            an array.
        audio_emb: (n, d) the embedding of the sound of each window.
        vshift: candidate offsets on either side, in frames.

    Returns:
        A :class:`SyncResult`; distances are in the judge's own units.

    Raises:
        ValueError: shapes that differ or are not (n, d), no windows, NaN, or ``vshift`` below 1.

    Example:
        >>> video = torch.eye(40)
        >>> result = sync_score(video, video.roll(3, dims=0))  # the sound comes 3 windows late
        >>> result.offset, round(result.distance, 3)
        (-3, 0.075)
    """
    return best_offset(_offset_distances(video_emb, audio_emb, vshift))


def best_offset(distances: Tensor) -> SyncResult:
    """:func:`sync_score` from the distances (n, 2 * vshift + 1) of an :class:`OffsetSearch`."""
    vshift = distances.shape[1] // 2
    mean_curve = distances.mean(dim=0)
    best = int(mean_curve.argmin())
    median = mean_curve.median()
    return SyncResult(
        distance=float(mean_curve[best]),
        confidence=float(median - mean_curve[best]),
        offset=vshift - best,
        frame_confidence=_median_filter(median - distances[:, best]),
        fine_offset=fine_offset(distances, best),
    )


def fine_offset(distances: Tensor, best: int) -> float:
    """The offset between frames: the vertex of a parabola through three mean squared distances.

    Squares, since those of embeddings of one length are a straight function of their cosine, which
    is round at its peak. At either end of the candidates there is nothing to interpolate.

    Args:
        distances: (n, 2 * vshift + 1), as :class:`OffsetSearch` gives them.
        best: the column with the least mean distance.

    Returns:
        Frames, with the sign of ``SyncResult.offset`` and at most half a frame from it.
    """
    offset = distances.shape[1] // 2 - best
    if not 0 < best < distances.shape[1] - 1:
        return float(offset)
    before, here, after = distances[:, best - 1 : best + 2].double().square().mean(dim=0).tolist()
    bend = before - 2 * here + after
    between = (before - after) / (2 * bend) if bend > 0 else 0.0
    return offset - min(0.5, max(-0.5, between))


@torch.no_grad()
def offset_curve(video_emb: Tensor, audio_emb: Tensor, vshift: int = VSHIFT) -> Tensor:
    """The mean distances of which :func:`sync_score` takes the minimum.

    Args and errors as there. Returns (2 * vshift + 1,) for the offsets ``vshift, vshift - 1, ...,
    -vshift``.
    """
    return _offset_distances(video_emb, audio_emb, vshift).mean(dim=0)


def _offset_distances(video_emb: Tensor, audio_emb: Tensor, vshift: int) -> Tensor:
    """(n, 2 * vshift + 1): every window's distance to the sound at each candidate offset."""
    search = OffsetSearch(vshift)
    search.update(video_emb, audio_emb)
    return search.distances()


def _median_filter(values: Tensor) -> Tensor:
    """(n,) -> (n,) running median; zeros stand beyond the ends, as in ``scipy.signal.medfilt``."""
    padded = F.pad(values, (MEDIAN_TAPS // 2, MEDIAN_TAPS // 2))
    return padded.unfold(0, MEDIAN_TAPS, 1).median(dim=1).values


def _check_scores(pos_scores: Tensor, neg_scores: Tensor) -> None:
    for name, scores in (("in-sync", pos_scores), ("off-sync", neg_scores)):
        if scores.ndim != 1 or len(scores) == 0:
            raise ValueError(f"{name} scores must be (n,) with n > 0, got {tuple(scores.shape)}")
        if not torch.isfinite(scores).all():
            raise ValueError(f"{name} scores contain NaN or infinity")


def off_sync_accuracy(pos_scores: Tensor, neg_scores: Tensor, threshold: float) -> Tensor:
    """Share of pairs classified correctly, in-sync and off-sync pairs having equal weight.

    ``0.5 * (share of pos_scores >= threshold + share of neg_scores < threshold)``; chance is 0.5.

    Args:
        pos_scores: (p,) scores of in-sync pairs, higher meaning more in sync (e.g. a cosine).
        neg_scores: (q,) scores of off-sync pairs; ``p`` and ``q`` may differ.
        threshold: scores at or above it count as in sync. Choose it on other data.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: scores that are not (n,), are empty, or hold NaN.

    Example:
        >>> off_sync_accuracy(torch.tensor([0.9, 0.4]), torch.tensor([0.1, 0.2]), 0.5)
        tensor(0.7500)
    """
    _check_scores(pos_scores, neg_scores)
    hits = (pos_scores >= threshold).float().mean()
    rejections = (neg_scores < threshold).float().mean()
    return (hits + rejections) / 2


def best_threshold(pos_scores: Tensor, neg_scores: Tensor) -> float:
    """The threshold with the best :func:`off_sync_accuracy` on these scores.

    Args and errors as for :func:`off_sync_accuracy`. The threshold lies halfway between two
    neighbouring scores; of several best ones the lowest is taken.

    Example:
        >>> best_threshold(torch.tensor([0.8, 0.6]), torch.tensor([0.1, 0.2]))
        0.4
    """
    _check_scores(pos_scores, neg_scores)
    pos, neg = pos_scores.double().sort().values, neg_scores.double().sort().values
    levels = torch.cat([pos, neg]).unique()
    # A threshold below all scores, then between neighbours, then above all.
    cuts = torch.cat([levels[:1] - 1, (levels[:-1] + levels[1:]) / 2, levels[-1:] + 1])
    hits = 1 - torch.searchsorted(pos, cuts) / len(pos)
    rejections = torch.searchsorted(neg, cuts) / len(neg)
    return round(float(cuts[(hits + rejections).argmax()]), 7)


def auc(pos_scores: Tensor, neg_scores: Tensor) -> Tensor:
    """Area under the ROC curve: the chance that an in-sync pair scores above an off-sync one.

    Ties count one half (the Mann-Whitney U statistic over ``p * q``). Args and errors as for
    :func:`off_sync_accuracy`; returns a scalar in [0, 1], 0.5 being chance.

    Example:
        >>> auc(torch.tensor([0.9, 0.4]), torch.tensor([0.1, 0.4]))
        tensor(0.8750)
    """
    _check_scores(pos_scores, neg_scores)
    neg = neg_scores.sort().values
    pos = pos_scores.to(neg.dtype).contiguous()
    below = torch.searchsorted(neg, pos).double()  # negatives strictly below each positive
    upto = torch.searchsorted(neg, pos, right=True).double()
    return ((below + upto) / 2 / len(neg)).mean().float()
