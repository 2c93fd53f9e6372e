"""Metrics: pure functions in :mod:`lipsync.metrics.functional`, torchmetrics classes here."""

from lipsync.metrics.frechet import FrechetDistance
from lipsync.metrics.functional import SyncResult, offset_curve, sync_score
from lipsync.metrics.picture import LowerHalfPSNR, PictureQuality
from lipsync.metrics.statistics import (
    Comparison,
    Interval,
    compare_paired,
    holm,
    mean_interval,
    share_interval,
)
from lipsync.metrics.sync import OffSyncAccuracy, SyncScore

__all__ = [
    "Comparison",
    "FrechetDistance",
    "Interval",
    "LowerHalfPSNR",
    "OffSyncAccuracy",
    "PictureQuality",
    "SyncResult",
    "SyncScore",
    "compare_paired",
    "holm",
    "mean_interval",
    "offset_curve",
    "share_interval",
    "sync_score",
]
