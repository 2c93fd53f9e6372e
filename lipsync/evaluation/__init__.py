"""Evaluation: distances, offsets and pictures of videos, real ones beside generated ones."""

from lipsync.evaluation.calibrating import calibrate, calibrate_file, calibration_table
from lipsync.evaluation.calibration import Calibration
from lipsync.evaluation.clips import report_clips
from lipsync.evaluation.comparison import compare, load_report
from lipsync.evaluation.experts import ExpertReport, evaluate_expert
from lipsync.evaluation.generated import evaluate_generator
from lipsync.evaluation.html import html_report, save_html
from lipsync.evaluation.judge import Judge, Scored
from lipsync.evaluation.judges import (
    as_judge,
    embed_clip,
    score_clip,
)
from lipsync.evaluation.lists import (
    Pair,
    find_videos,
    random_pairs,
    read_filelist,
    read_pairs,
)
from lipsync.evaluation.rows import Row
from lipsync.evaluation.table import Report, Summary
from lipsync.evaluation.videos import DEFAULT_JUDGE, PROTOCOLS, evaluate, score_video

__all__ = [
    "DEFAULT_JUDGE",
    "PROTOCOLS",
    "Calibration",
    "ExpertReport",
    "Judge",
    "Pair",
    "Report",
    "Row",
    "Scored",
    "Summary",
    "as_judge",
    "calibrate",
    "calibrate_file",
    "calibration_table",
    "compare",
    "embed_clip",
    "evaluate",
    "evaluate_expert",
    "evaluate_generator",
    "find_videos",
    "html_report",
    "load_report",
    "random_pairs",
    "read_filelist",
    "read_pairs",
    "report_clips",
    "save_html",
    "score_clip",
    "score_video",
]
