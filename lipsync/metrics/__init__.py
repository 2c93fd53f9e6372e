"""Metrics: pure functions in :mod:`lipsync.metrics.functional`, torchmetrics classes here."""

from lipsync.metrics.functional import SyncResult, offset_curve, sync_score
from lipsync.metrics.picture import LowerHalfPSNR
from lipsync.metrics.sync import OffSyncAccuracy, SyncScore

__all__ = [
    "LowerHalfPSNR",
    "OffSyncAccuracy",
    "SyncResult",
    "SyncScore",
    "offset_curve",
    "sync_score",
]
