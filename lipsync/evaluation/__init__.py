"""Evaluation: LSE-D, LSE-C and offset of videos and clips, real ones beside generated ones."""

from lipsync.evaluation.judges import (
    ExpertJudge,
    Judge,
    SyncNetV2Judge,
    as_judge,
    embed_clip,
    score_clip,
)
from lipsync.evaluation.table import Report, Row
from lipsync.evaluation.videos import (
    DEFAULT_JUDGE,
    evaluate,
    find_videos,
    read_pairs,
    score_video,
)

__all__ = [
    "DEFAULT_JUDGE",
    "ExpertJudge",
    "Judge",
    "Report",
    "Row",
    "SyncNetV2Judge",
    "as_judge",
    "embed_clip",
    "evaluate",
    "find_videos",
    "read_pairs",
    "score_clip",
    "score_video",
]
