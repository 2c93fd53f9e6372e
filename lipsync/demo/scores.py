"""The job of the Score tab: offset curve, confidence over time, and leakage of the old mouth.

A dub is scored with its own sound. If the real video is also given, the dub is scored with that
video's sound as well, and its mouth is compared with the real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lipsync.demo.jobs import Report
from lipsync.errors import MediaError
from lipsync.evaluation.judge import Judge
from lipsync.evaluation.judges import as_judge
from lipsync.evaluation.rows import LEAKAGE
from lipsync.evaluation.text import signed
from lipsync.evaluation.truth import Source
from lipsync.evaluation.videos import Scoring, Stretch
from lipsync.faces.detect import Detection, Detector, get_detector
from lipsync.faces.tracks import STRIDE
from lipsync.media.loudness import read_speech
from lipsync.metrics.functional import VSHIFT, SyncResult, offset_curve, sync_score
from lipsync.windows import FPS

_MOTION = {"motion_share": 1.0, "motion_correlation": 1.0}  # by definition, for the real video


class _ReportingDetector(Detector):
    """A detector that reports progress for each frame."""

    def __init__(self, detector: Detector, report: Report, stage: str) -> None:
        self.name, self._detector = detector.name, detector
        self._report, self._stage, self._frames = report, stage, 0

    def detect(self, frame: np.ndarray) -> list[Detection]:
        self._report(self._stage, self._frames * STRIDE, None)
        self._frames += 1
        return self._detector.detect(frame)


@dataclass(frozen=True)
class ScoredVideo:
    """A video's scored stretch, and the judge's face embeddings (windows, d)."""

    stretch: Stretch
    faces: Tensor

    def score(self, wave: np.ndarray, judge: Judge, path: Path) -> tuple[SyncResult, Tensor]:
        """The scores against a sound that starts with the video, and the offset curve.

        Raises:
            MediaError: the sound is too short.
        """
        sound = self.stretch.sound(wave)
        count = judge.count(len(self.faces) + judge.window - 1, len(sound))
        if count < 1:
            raise MediaError(path, "its sound is too short to score", "use a longer one")
        faces, sounds = self.faces[:count], judge.embed_sound(sound, count)
        return sync_score(faces, sounds), offset_curve(faces, sounds)


def score(
    video: Path, real: Path | None, judge_name: str, device: str, report: Report
) -> dict[str, Any]:
    """Score a video, and the real video that it was dubbed from, if given.

    Returns:
        Plain values for the page.

    Raises:
        LipsyncError: a video cannot be read, has no face, or is too short.
    """
    report("loading the judge", 0, None)
    judge, detector = as_judge(judge_name, device), get_detector("centerface")
    wave = read_speech(video)
    scored_video = _embed_video(video, judge, detector, report, "the video")
    found, curve = scored_video.score(wave, judge, video)
    result = _scores(found, curve, judge, scored_video.stretch.start)
    if real is not None:
        real_wave = read_speech(real)
        scored_real = _embed_video(real, judge, detector, report, "the real video")
        real_found, real_curve = scored_real.score(real_wave, judge, real)
        result["real"] = _scores(real_found, real_curve, judge, scored_real.stretch.start)
        report("comparing the mouths", 0, None)
        old = scored_video.score(real_wave, judge, video)[0]
        chance = scored_real.score(wave, judge, real)[0]
        source = Source(scored_real.stretch, real_wave)
        left = source.leakage(scored_video.stretch, wave)
        unchanged = source.leakage(scored_real.stretch, wave) | _MOTION
        result["leakage"] = [
            _offset_row("new speech", "the offset of the dub's own sound", found, real_found),
            _offset_row(
                "old speech",
                "the offset of the real video's sound in the dub: if it is found, the old mouth "
                "is still there; beside it the real mouth with the new sound, which is chance",
                old,
                chance,
            ),
            *(
                {
                    "name": name.replace("_", " "),
                    "about": about,
                    "dub": round(left[name], 2) if name in left else None,
                    "real": round(unchanged[name], 2) if name in unchanged else None,
                }
                for name, about in LEAKAGE.items()
                if name in left or name in unchanged
            ),
        ]
    return result


def _embed_video(
    path: Path, judge: Judge, detector: Detector, report: Report, what: str
) -> ScoredVideo:
    stretch = Scoring(
        judge, _ReportingDetector(detector, report, f"finding faces in {what}")
    ).stretch(path)
    total = None if stretch.end is None else stretch.end - stretch.start

    def crops() -> Iterator[np.ndarray]:
        for number, face in enumerate(stretch.crops(judge.face_size)):
            report(f"judging {what}", number, total)
            yield face

    faces = judge.embed_faces(crops())
    if not len(faces):
        frames = f"{total} frames with a face" if total is not None else "too few frames"
        raise MediaError(path, f"{frames}, but the judge needs {judge.window}")
    return ScoredVideo(stretch, faces)


def _scores(found: SyncResult, curve: Tensor, judge: Judge, start: int) -> dict[str, Any]:
    windows = len(found.frame_confidence)
    middle = start + (judge.window - 1) / 2
    scores: dict[str, Any] = {
        "judge": judge.name,
        "distance": round(found.distance, 3),
        "confidence": round(found.confidence, 3),
        "offset": found.offset,
        "fine_offset": round(found.fine_offset, 2),
        "windows": windows,
        "offsets": list(range(VSHIFT, -VSHIFT - 1, -1)),
        "curve": [round(value, 4) for value in curve.tolist()],
        "times": [round((middle + n) / FPS, 3) for n in range(windows)],
        "confidences": [round(value, 4) for value in found.frame_confidence.tolist()],
        "verdict": None,
    }
    if judge.calibration is not None:
        sure = judge.calibration.probability(found.confidence, windows)
        verdict = judge.calibration.in_sync(found.offset, found.confidence, windows)
        scores |= {"verdict": verdict, "probability": round(sure, 3)}
    return scores


def _offset_row(name: str, about: str, dub: SyncResult, real: SyncResult) -> dict[str, Any]:
    def text(found: SyncResult) -> str:
        return f"{signed(found.offset)} frames, confidence {found.confidence:.2f}"

    return {"name": name, "about": about, "dub": text(dub), "real": text(real)}
