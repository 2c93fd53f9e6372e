"""The rows of a report: the sets in which a video is scored, and the measures of its images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lipsync.errors import LipsyncError

GENERATED, SWAPPED, COPIED, REAL = "generated", "swapped_audio", "copied_reference", "real"
OWN, REENCODED = "own_speech", "re_encoded"
OLD, SILENT, OTHERS = "old_speech", "silent_input", "other_references"
COVERED = "covered_mouth"
SETS = {
    GENERATED: "generated videos with the speech that they were made for",
    SWAPPED: "the same pictures with another speech: a mouth that follows its own scores worse",
    OLD: "the same pictures with the dubbed video's own speech: what is left of its mouth",
    SILENT: "the faces dubbed with silence, with the old speech: a mouth that copies still moves",
    COVERED: "the faces with a plain patch for what is painted, with the old speech: what the rest "
    "of a face tells of it",
    OTHERS: "the faces dubbed from other references, the frame itself or a mouth at rest: a mouth "
    "that follows the sound alone moves as in the generated videos",
    COPIED: "the reference pasted in unchanged, with the speech of the generated",
    OWN: "the faces generated with their own speech, so that the true pictures are known",
    REENCODED: "the real videos through the encoder of the generated: nothing in a file is closer",
    REAL: "the real videos with their own speech",
}
LIKENESS = {
    "psnr": "PSNR of the whole face in dB, against the true pictures; higher is better",
    "psnr_lower": "the same of the lower half",
    "ssim": "SSIM of the whole face; higher is better",
    "ssim_lower": "the same of the lower half",
    "ms_ssim": "MS-SSIM of the whole face (three scales); higher is better",
    "ms_ssim_lower": "the same of the lower half",
    "mouth_corners": "distance of the mouth's corners from the true ones, in eye distances",
}
LEAKAGE = {
    "motion_share": "motion of the mouth relative to the source's; under silence, it should be 0",
    "motion_correlation": "its correlation over time with the source's; 1: the old mouth",
    "closed_in_pauses": "share of frames at rest in pauses of the sound; 0.5 if it keeps moving",
}
PICTURE = LIKENESS | {
    "sharpness": "variance of the Laplacian of the lower half; should be that of real videos",
    "detail_fine": "detail of one pixel in the lower half, in grey levels; should be the real's",
    "detail_middle": "the same of two pixels",
    "detail_coarse": "the same of four pixels",
    "mouth_contrast": "contrast of light and dark in the mouth, teeth included, in grey levels",
    "flicker": "change between frames in the lower half, with motion removed, in grey levels",
    "jitter": "second difference over three frames in the lower half, in grey levels",
    "silent_motion": "motion of the lower half in silence, in grey levels per frame",
    "seam": "step across the middle row, relative to those near it; about 1 without a seam",
    "identity": "distance from the real face by a recogniser; compare with the real videos'",
    **LEAKAGE,
}
"""Measures of the images and how to read them, in the order of the files' columns."""


@dataclass(frozen=True)
class Row:
    """One video's scores.

    ``n`` counts its windows. ``fine_offset`` is ``offset`` to a tenth of a frame. Numbers that are
    unavailable are ``None``, and ``problem`` says why. ``picture`` holds the measures of
    :data:`PICTURE` that are defined for the video.
    """

    set: str
    video: str
    n: int
    distance: float | None = None
    confidence: float | None = None
    offset: int | None = None
    fine_offset: float | None = None
    problem: str = ""
    picture: dict[str, float] = field(default_factory=dict)


def problem_of(error: LipsyncError) -> str:
    """An error message for a row: the file name without its folders, and the reason."""
    about, problem = getattr(error, "subject", ""), getattr(error, "problem", str(error))
    return f"{Path(about).name}: {problem}" if about else problem
