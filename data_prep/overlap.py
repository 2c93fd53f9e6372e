"""Speakers and videos in each split, and the overlap between splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from lipsync.windows import FPS


class Member(NamedTuple):
    """A kept clip: its key, speaker, source video, and number of frames at 25 fps."""

    key: str
    speaker: str
    video: str
    frames: int


@dataclass(frozen=True)
class Count:
    """Contents of a split."""

    split: str
    speakers: int
    videos: int
    clips: int
    minutes: float


@dataclass(frozen=True)
class Overlap:
    """What two splits share; ``of`` is the number of speakers in the second."""

    first: str
    second: str
    speakers: int
    of: int
    videos: int

    def __str__(self) -> str:
        text = f"{self.speakers} of {self.of} speakers of {self.second} are also in {self.first}"
        return text + f"; videos in both: {self.videos}" * bool(self.videos)


def count(split: str, members: Sequence[Member]) -> Count:
    """Count the contents of a split."""
    return Count(
        split,
        len({member.speaker for member in members}),
        len({member.video for member in members}),
        len(members),
        sum(member.frames for member in members) / FPS / 60,
    )


def overlaps(splits: Mapping[str, Sequence[Member]]) -> list[Overlap]:
    """Pairs of splits that share speakers, in the order of the splits.

    Omits the pair of ``train`` and ``pretrain``: in LRS2 and LRS3, ``pretrain`` holds longer
    excerpts of ``train`` by design.
    """
    people = {split: {member.speaker for member in those} for split, those in splits.items()}
    return [
        Overlap(a, b, len(shared), len(people[b]), _videos_in_both(splits[a], splits[b]))
        for a, b in combinations(splits, 2)
        if {a, b} != {"train", "pretrain"} and (shared := people[a] & people[b])
    ]


def _videos_in_both(one: Sequence[Member], other: Sequence[Member]) -> int:
    few, many = sorted((one, other), key=len)
    return len({member.video for member in few}.intersection(member.video for member in many))
