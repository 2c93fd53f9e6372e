"""Evaluation: distances, offsets and pictures of videos, real ones beside generated ones.

What it offers is imported when it is asked for, so that the commands' help stays quick.
"""

from importlib import import_module
from typing import Any

_OFFERED = {
    "benchmark.result": "BenchResult",
    "benchmark.run": "bench",
    "calibrating": "calibrate calibrate_file calibration_table",
    "calibration": "Calibration",
    "clips": "report_clips",
    "comparison": "compare load_report",
    "experts": "ExpertReport evaluate_expert",
    "generated": "evaluate_generator",
    "html": "html_report save_html",
    "judge": "Judge Scored",
    "judges": "as_judge embed_clip score_clip",
    "lists": "Pair find_videos random_pairs read_filelist read_pairs",
    "rows": "Row",
    "table": "Report Summary",
    "videos": "DEFAULT_JUDGE PROTOCOLS evaluate score_video",
}
_HOMES = {name: module for module, names in _OFFERED.items() for name in names.split()}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
