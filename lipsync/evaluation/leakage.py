"""Leakage of the old mouth over all pairs: each number with its reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lipsync.evaluation.rows import (
    COPIED,
    COVERED,
    GENERATED,
    OLD,
    OTHERS,
    OWN,
    REAL,
    REENCODED,
    SILENT,
    SWAPPED,
    Row,
)
from lipsync.evaluation.text import aligned
from lipsync.metrics.statistics import Interval, mean_interval, share_interval
from lipsync.plain import Plain

_FOUND = "found"  # within a frame, by the judge
_SETS = {
    "silent_motion": (SILENT, REENCODED, "motion_share"),
    "silent_correlation": (SILENT, REENCODED, "motion_correlation"),
    "speech_correlation": (GENERATED, OWN, "motion_correlation"),
    "other_references": (OTHERS, GENERATED, "motion_correlation"),
    "old_speech_found": (OLD, COPIED, _FOUND),
    "third_speech_found": (SWAPPED, COPIED, _FOUND),
    "covered_mouth": (COVERED, COPIED, _FOUND),
    "new_speech_found": (GENERATED, REAL, _FOUND),
    "closed_in_pauses": (GENERATED, COPIED, "closed_in_pauses"),
}
ABOUT = {
    "silent_motion": "the mouth's motion under silence as a share of the source's; lower is better",
    "silent_correlation": "its correlation over time with the source's; lower is better",
    "speech_correlation": "the same under other speech; beside it dubs with their own speech",
    "other_references": "correlation of the mouth's motion with that of the same dub from other "
    "references; higher is better; beside it the dub's with the source's",
    "old_speech_found": "share in which the judge finds the old speech within a frame; at best "
    "chance, which is how often un-dubbed faces are found to speak the new one",
    "third_speech_found": "share in which it finds a speech that is neither the old nor the new: "
    "chance, which is high among sentences that begin alike",
    "covered_mouth": "share in which it finds the old speech with a plain patch over the generated "
    "area: the part of old_speech_found that head and jaw reveal, whatever the lips do",
    "new_speech_found": "share in which it finds the new speech; beside it real videos with their "
    "own speech",
    "closed_in_pauses": "share of frames at rest in pauses of the new speech; beside it un-dubbed "
    "faces, whose mouths do not follow these pauses",
}
"""How to read the numbers."""


@dataclass(frozen=True)
class Leak(Plain):
    """One number of the dubs, and the reference set that it is compared with.

    ``beside`` is ``None`` if that set has no such number.
    """

    name: str
    dubs: Interval
    beside: Interval | None
    beside_set: str

    @property
    def about(self) -> str:
        """How to read it."""
        return ABOUT[self.name]


def leakage_numbers(rows: Iterable[Row]) -> list[Leak]:
    """The numbers available; none if no face was dubbed with silence.

    Numbers under other speech are over the pairs that have another speech, for dubs and reference
    alike.
    """
    scored = [row for row in rows if not row.problem]
    old = {row.video: row for row in scored if row.set == OLD}
    others = set(old)
    thirds = {
        row.video
        for row in scored
        if row.set == SWAPPED and row.video in old and row.distance != old[row.video].distance
    }  # with two pairs, the only speech other than the new one is the old one

    def mean(kind: str, measure: str, within: set[str] | None) -> Interval | None:
        found = [row for row in scored if row.set == kind]
        found = [row for row in found if within is None or row.video in within]
        if measure == _FOUND:
            return share_interval([abs(row.offset) <= 1 for row in found]) if found else None
        values = [row.picture[measure] for row in found if measure in row.picture]
        return mean_interval(values) if values else None

    if not any(row.set == SILENT for row in scored):
        return []
    results = []
    for name, (kind, beside, measure) in _SETS.items():
        within = {SILENT: None, SWAPPED: thirds}.get(kind, others)
        if (dubs := mean(kind, measure, within)) is not None:
            results.append(Leak(name, dubs, mean(beside, measure, within), beside))
    return results


def leakage_lines(found: Sequence[Leak]) -> list[str]:
    """The numbers as aligned text."""
    cells = [
        [leak.name, str(leak.dubs.n), leak.dubs.text(2), leak.beside_set,
         "-" if leak.beside is None else leak.beside.text(2)]
        for leak in found
    ]  # fmt: skip
    head = ("leakage", "n", "dubs", "beside", "of these")
    return aligned(head, cells, right=(*head[1:3], head[4])) if cells else []
