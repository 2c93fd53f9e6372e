"""How good an expert is: off-sync accuracy by speaker and by gap, and the clips' offsets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import torch

from lipsync.data.store import open_clip
from lipsync.errors import ClipError, ConfigError
from lipsync.evaluation.judges import Judge, as_judge
from lipsync.evaluation.text import aligned, tenths
from lipsync.metrics.functional import SyncResult, best_threshold, sync_score
from lipsync.metrics.lags import GAPS, MAX_LAG, lag_scores
from lipsync.metrics.statistics import Interval, share_interval, statistic_interval
from lipsync.plain import Plain

EVERYONE = "all"


@dataclass(frozen=True)
class ExpertReport(Plain):
    """An expert's accuracy on prepared clips.

    Attributes:
        judge: name of the expert.
        threshold: cosine at and above which a pair counts as in sync, and where it was fixed.
        min_gap: minimum gap of the off-sync pairs in the headline number, in frames.
        accuracy: speaker (or "all") -> off-sync accuracy; ``n`` counts clips.
        by_gap: speaker (or "all") -> gap in frames -> accuracy at that gap only.
        within_one: speaker (or "all") -> share of clips whose offset is -1, 0 or 1.
        offsets: speaker (or "all") -> offset -> number of clips.
        fine_offset: speaker (or "all") -> median offset of the clips, to a tenth of a frame.
        problems: clip -> why it was left out.
    """

    judge: str
    threshold: float
    threshold_from: str
    min_gap: int
    accuracy: dict[str, Interval]
    by_gap: dict[str, dict[int, Interval]]
    within_one: dict[str, Interval]
    offsets: dict[str, dict[int, int]]
    fine_offset: dict[str, float]
    problems: dict[str, str] = field(default_factory=dict)

    def table(self) -> str:
        """Aligned text: one row per speaker, the total last."""
        gaps = sorted(self.by_gap[EVERYONE])
        head = ["speaker", "clips", "off-sync accuracy", "offset within 1", "median offset"]
        head += [f"gap {gap}" for gap in gaps]
        lines = []
        for speaker in sorted(self.accuracy, key=lambda s: (s == EVERYONE, s)):
            found = self.by_gap[speaker]
            lines.append(
                [
                    speaker,
                    str(self.accuracy[speaker].n),
                    self.accuracy[speaker].text(),
                    self.within_one[speaker].text(2),
                    tenths(self.fine_offset[speaker]),
                    *(f"{found[gap].mean:.3f}" if gap in found else "-" for gap in gaps),
                ]
            )
        title = (
            f"expert: {self.judge}; threshold {self.threshold:.3f}, fixed on "
            f"{self.threshold_from}; off-sync pairs {self.min_gap} frames apart and more; "
            "[95 % interval over clips, of all together over speakers]"
        )
        return "\n".join([title, *aligned(head, lines, right=head[1:])])


def evaluate_expert(
    judge: Judge | str,
    root: str | Path,
    keys: Iterable[str],
    *,
    threshold: float | None = None,
    min_gap: int = 5,
    device: str = "cpu",
) -> ExpertReport:
    """Off-sync accuracy of an expert on prepared clips, by speaker and by gap.

    Args:
        judge: an expert, or the path or name of one.
        root: a prepared set.
        keys: ``speaker/clip`` names. A clip that is damaged or too short is reported and left out.
        threshold: cosine from which a pair counts as in sync; ``None`` takes the best one for these
            clips, which is optimistic: for a test, fix it on a validation split.
        min_gap: minimum gap of the off-sync pairs, in frames.
        device: for a judge given by name.

    Raises:
        ConfigError: no clip that can be scored, or one with a framing other than the judge's.
    """
    judge = as_judge(judge, device)
    cosines: dict[str, list[np.ndarray]] = {}
    found: dict[str, list[SyncResult]] = {}
    problems: dict[str, str] = {}
    for key in keys:
        try:
            clip = open_clip(root, key, side=judge.face_size)
            video, audio = judge.embed(judge.faces(clip), clip.wave)
        except (ClipError, ValueError) as error:
            problems[key] = getattr(error, "problem", str(error))
            continue
        cosines.setdefault(clip.speaker, []).append(lag_scores(audio, video).numpy())
        found.setdefault(clip.speaker, []).append(sync_score(video, audio))
    if not cosines:
        first = next(iter(problems.items()), ("", "the list is empty"))
        raise ConfigError(
            f"none of {len(problems)} clips could be scored; the first: {first[0]}: {first[1]}"
        )

    people: dict[str, list[str] | None] = dict.fromkeys(cosines)
    people[EVERYONE] = [speaker for speaker, clips in cosines.items() for _ in clips]
    cosines[EVERYONE] = [clip for clips in list(cosines.values()) for clip in clips]
    found[EVERYONE] = [result for results in list(found.values()) for result in results]
    shifts = {s: [result.offset for result in results] for s, results in found.items()}
    fixed = "other clips" if threshold is not None else "these clips"
    if threshold is None:
        threshold = _best_threshold(cosines[EVERYONE], min_gap)
    gaps = [gap for gap in GAPS if gap <= MAX_LAG]
    return ExpertReport(
        judge.name,
        threshold,
        fixed,
        min_gap,
        {s: _accuracy(c, threshold, _gap_at_least(min_gap), people[s]) for s, c in cosines.items()},
        {
            s: {
                g: _accuracy(c, threshold, _gap_equals(g), people[s])
                for g in gaps
                if _has_scores(c, _gap_equals(g))
            }
            for s, c in cosines.items()
        },
        {
            s: share_interval([abs(o) <= 1 for o in offsets], people[s])
            for s, offsets in shifts.items()
        },
        {
            s: {
                int(o): int(n) for o, n in zip(*np.unique(offsets, return_counts=True), strict=True)
            }
            for s, offsets in shifts.items()
        },
        {s: round(median(r.fine_offset for r in results), 2) for s, results in found.items()},
        problems,
    )


_LAGS = np.abs(np.arange(-MAX_LAG, MAX_LAG + 1))


def _gap_at_least(gap: int) -> np.ndarray:
    return gap <= _LAGS


def _gap_equals(gap: int) -> np.ndarray:
    return np.equal(_LAGS, gap)


def _has_scores(clips: list[np.ndarray], columns: np.ndarray) -> bool:
    return any(np.isfinite(clip[:, columns]).any() for clip in clips)


def _best_threshold(clips: list[np.ndarray], min_gap: int) -> float:
    scores = torch.from_numpy(np.concatenate(clips))
    negative = scores[:, torch.from_numpy(_gap_at_least(min_gap))]
    return best_threshold(scores[:, MAX_LAG], negative[~negative.isnan()])


def _accuracy(
    clips: list[np.ndarray], threshold: float, columns: np.ndarray, people: list[str] | None
) -> Interval:
    """Balanced accuracy on in-sync and off-sync pairs."""
    items = []
    for clip in clips:
        negative = clip[:, columns]
        negative = negative[np.isfinite(negative)]
        hits = (clip[:, MAX_LAG] >= threshold).sum()
        items.append([hits, len(clip), (negative < threshold).sum(), len(negative)])
    return statistic_interval(
        np.array(items, float),
        lambda sums: (sums[:, 0] / sums[:, 1] + sums[:, 2] / np.maximum(sums[:, 3], 1)) / 2,
        people,
    )
