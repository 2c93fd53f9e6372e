"""The measures of the benchmark: how to read each, and what its normalised 0 and 1 are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lipsync.evaluation.rows import PICTURE, REAL, SILENT

QUALITIES = (18, 23, 28)
"""H.264 CRF values at which the real videos are re-encoded."""
RECOMPRESSED = tuple(f"{REAL}, crf {quality}" for quality in QUALITIES)
OLD_VIDEO = "old video, new sound"
BASELINES = {
    REAL: "the real videos with their own sound",
    **{
        kind: f"the same, re-encoded with H.264 at CRF {quality}"
        for kind, quality in zip(RECOMPRESSED, QUALITIES, strict=True)
    },
    OLD_VIDEO: "the real videos, unchanged, under the new sound: the worst that a dub can be",
}
SILENCED = f" ({SILENT})"
"""Suffix of a system's name for its dubs with silence."""
Reference = tuple[str, str] | float | None


@dataclass(frozen=True)
class Measure:
    """A measure of dubs.

    Attributes:
        name: its column in ``numbers.csv``.
        title: its name in tables.
        about: how to read it.
        kind: the table that it is in.
        zero, one: what normalisation maps to 0 and to 1: a (baseline, measure) pair or a number;
            None if there is no such reference.
        digits: decimal places shown.
        share: whether it is either 0 or 1 for each dub.
    """

    name: str
    title: str
    about: str
    kind: str
    zero: Reference = None
    one: Reference = None
    digits: int = 3
    share: bool = False

    def badness(self, value: float | None, real: float | None) -> float | None:
        """How bad a clip's value is (larger is worse), by the arrow in the title.

        Without an arrow it is the distance from the target or from the real video's value; None
        if that or the value is unknown.
        """
        target = self.zero if isinstance(self.zero, float) else real
        if value is None or "↓" in self.title:
            return value
        if "↑" in self.title:
            return -value
        return None if target is None else abs(value - target)


SYNC, OLD_MOUTH, PICTURES, LIKENESS = "sync", "old mouth", "pictures", "likeness"
KINDS = {
    SYNC: "Does the mouth follow the new sound?",
    OLD_MOUTH: "What is left of the old mouth?",
    PICTURES: "How do the pictures look?",
    LIKENESS: "How close are the pictures to the true ones?",
}


def _scale(name: str, one: str = OLD_VIDEO) -> dict[str, Any]:
    return {"zero": (REAL, name), "one": (one, name)}


_FOUND = "new_speech_found"
_WORST = RECOMPRESSED[-1]
MEASURES = (
    Measure("distance", "distance ↓", "of mouth and new sound", SYNC, **_scale("distance")),
    Measure(
        "confidence", "confidence ↑", "how far the best offset stands out", SYNC,
        **_scale("confidence"),
    ),
    Measure(
        _FOUND, "new speech found ↑", "share with an offset within a frame", SYNC,
        **_scale(_FOUND), digits=2, share=True,
    ),
    Measure(
        "offset_error", "absolute offset ↓", "frames between mouth and new sound", SYNC,
        **_scale("offset_error"), digits=1,
    ),
    Measure(
        "word_error", "words misread ↓", "share of the new words, by a lip reader", SYNC,
        **_scale("word_error"), digits=2,
    ),
    Measure(
        "motion_share", "mouth motion",
        "as a share of the source's; 1 is the aim, 0 a frozen mouth", SYNC, 1.0, 0.0, 2,
    ),
    Measure(
        "old_speech_found", "old speech found ↓",
        "share in which the old speech still fits within a frame; normalised, 0 is chance: how "
        "often old videos fit the new sound", OLD_MOUTH,
        (OLD_VIDEO, _FOUND), (REAL, _FOUND), 2, True,
    ),
    Measure(
        "old_word_error", "old words misread ↑",
        "share of the old words; normalised, 0 is chance: how often old videos say the new words",
        OLD_MOUTH, (OLD_VIDEO, "word_error"), (REAL, "word_error"), 2,
    ),
    Measure(
        "motion_correlation", "motion like the source's ↓",
        "correlation over time under the new sound; 1: the old mouth", OLD_MOUTH, 0.0, 1.0, 2,
    ),
    Measure(
        "silent_share", "motion under silence ↓", "as a share of the source's", OLD_MOUTH,
        0.0, 1.0, 2,
    ),
    Measure(
        "silent_correlation", "silent motion like the source's ↓", "correlation over time",
        OLD_MOUTH, 0.0, 1.0, 2,
    ),
    Measure(
        "closed_in_pauses", "at rest in pauses ↑", "share of frames in pauses of the new sound",
        OLD_MOUTH, **_scale("closed_in_pauses"), digits=2,
    ),
    Measure(
        "silent_motion", "motion in pauses ↓", "lower half, grey levels per frame", OLD_MOUTH,
        **_scale("silent_motion"), digits=2,
    ),
    Measure(
        "sharpness", "sharpness", PICTURE["sharpness"], PICTURES, **_scale("sharpness", _WORST),
        digits=0,
    ),
    Measure(
        "jitter", "jitter", PICTURE["jitter"], PICTURES, **_scale("jitter", _WORST), digits=2
    ),
    Measure("seam", "seam", PICTURE["seam"], PICTURES, **_scale("seam", _WORST), digits=2),
    *(
        Measure(
            name, name.replace("_", " "), PICTURE[name], PICTURES, **_scale(name, _WORST), digits=2
        )
        for name in ("detail_fine", "detail_middle", "detail_coarse", "mouth_contrast", "flicker")
    ),
    Measure("identity", "identity ↓", PICTURE["identity"], PICTURES, **_scale("identity", _WORST)),
    Measure("psnr", "PSNR ↑", "dB, whole face", LIKENESS, digits=1),
    Measure("psnr_lower", "PSNR, lower half ↑", "dB", LIKENESS, digits=1),
    Measure("ssim", "SSIM ↑", "whole face", LIKENESS, 1.0, (_WORST, "ssim")),
    Measure("ssim_lower", "SSIM, lower half ↑", "", LIKENESS, 1.0, (_WORST, "ssim_lower")),
    Measure("mouth_corners", "mouth corners ↓", "from the true ones, in eye distances", LIKENESS),
)  # fmt: skip
"""In the order of the tables."""
