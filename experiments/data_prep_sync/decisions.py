"""The default sync check: how many clips is it sure of, and how many does it shift wrongly?

    python -m experiments.data_prep_sync.decisions unseen expert-open=data/tight judge-open=data/box

The sets hold the same clips, each in its judge's framing, prepared with judge=null. Each clip is
judged with its own sound, with its sound shifted by 3 and 8 frames either way, and with the sound
of other people. If all judges are sure of a clip and agree to within a frame, its true offset is
the one that the first judge finds; otherwise it is the median of what the first judge finds, sure
or not, in the clips of the same speaker.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from statistics import median_low
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from torch import Tensor
from tqdm import tqdm

from lipsync.data.store import open_clip, read_split
from lipsync.evaluation import Judge, as_judge
from lipsync.evaluation.calibration import UNSURE
from lipsync.media.loudness import level_speech
from lipsync.metrics.functional import sync_score
from lipsync.windows import FPS

_SHIFTS = (3, -3, 8, -8)
_RIVALS = 5
_HEAD = ("judge", "length", "clips", "sure", "moved by one", "by more", "wrong offset",
         "3 frames off: corrected", "8 frames off: corrected", "off: wrong offset",
         "another's sound: sure")  # fmt: skip


class Embedded(NamedTuple):
    """A clip: its source and first frame, its speaker, and a judge's embeddings of it."""

    place: tuple[str, int]
    speaker: str
    video: Tensor
    sound: Tensor


def embedded(judge: Judge, root: str, split: str) -> list[Embedded]:
    """Embed all clips that are long enough for a window."""
    made = []
    for key in tqdm(read_split(root, split), desc=judge.name, unit="clip"):
        clip = open_clip(root, key, side=judge.face_size)
        try:
            pair = judge.embed(judge.faces(clip), level_speech(clip.wave))
        except ValueError:
            continue
        made.append(Embedded((clip.info["source"], clip.info["start"]), clip.speaker, *pair))
    return made


def found(judge: Judge, video: Tensor, sound: Tensor) -> tuple[int, bool]:
    """The estimated offset, and whether the judge is sure of it."""
    count = min(len(video), len(sound))
    score = sync_score(video[:count], sound[:count])
    told = judge.calibration.in_sync(score.offset, score.confidence, count)
    return score.offset, told != UNSURE


def decided(judge: Judge, video: Tensor, sound: Tensor) -> int | None:
    """The offset that data_prep would correct; None if the judge is not sure."""
    offset, sure = found(judge, video, sound)
    return offset if sure else None


def true_offsets(clips: dict[Judge, list[Embedded]]) -> dict[tuple[str, int], int]:
    """The true offset of every clip; prints what each judge found, and whether it was sure."""
    told, speakers, of_speaker = defaultdict(list), {}, defaultdict(list)
    for number, (judge, those) in enumerate(clips.items()):
        for one in those:
            told[one.place].append(found(judge, one.video, one.sound))
            speakers[one.place] = one.speaker
            if not number:
                of_speaker[one.speaker].append(told[one.place][0][0])
    true = {}
    for place, each in told.items():
        offsets = [offset for offset, sure in each if sure]
        known = len(offsets) == len(clips) and max(offsets) - min(offsets) <= 1
        true[place] = offsets[0] if known else median_low(of_speaker[speakers[place]])
        print(*place, *each, f"true {true[place]:+d}", sep="\t")
    return true


def share(which: list[bool]) -> str:
    """Share with its 95 % interval (Wilson), treating cases as independent."""
    if not which:
        return ""
    low, high = binomtest(sum(which), len(which)).proportion_ci(method="wilson")
    percent = f"{100 * np.mean(which):.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{sum(which)}/{len(which)}, {percent}"


def row(judge: Judge, clips: list[Embedded], seconds: float | None, true: dict) -> list[str]:
    """Cells of a table row, from the number of clips on."""
    rng = np.random.default_rng(0)
    own: list[tuple[int | None, int]] = []  # found, true
    moved: dict[int, list[tuple[int | None, int]]] = {shift: [] for shift in _SHIFTS}
    taken: list[bool] = []
    for place, speaker, video, sound in clips:
        count = len(video) if seconds is None else round(seconds * FPS) - judge.window + 1
        if len(video) < count:
            continue
        seen, right = video[:count], true[place]
        own.append((decided(judge, seen, sound[:count]), right))
        for shift in _SHIFTS:  # frames without sound are dropped
            later, earlier = video[max(0, shift) :], sound[max(0, -shift) :]
            room = min(count, len(video) - abs(shift))
            if room > 0:
                pair = decided(judge, later[:room], earlier[:room])
                moved[shift].append((pair, right - shift))
        strangers = [one.sound for one in clips if one.speaker != speaker]
        some = rng.choice(len(strangers), min(_RIVALS, len(strangers)), replace=False)
        taken += [decided(judge, seen, strangers[i]) is not None for i in some]

    def corrected(pairs: list[tuple[int | None, int]]) -> list[bool]:
        return [found is not None and abs(found - right) <= 1 for found, right in pairs]

    def wrong(pairs: list[tuple[int | None, int]]) -> list[bool]:
        return [found is not None and abs(found - right) > 1 for found, right in pairs]

    return [
        str(len(own)),
        share([found is not None for found, _ in own]),
        share([abs(found or 0) == 1 for found, _ in own]),
        share([abs(found or 0) > 1 for found, _ in own]),
        share(wrong(own)),
        share(corrected(moved[3] + moved[-3])),
        share(corrected(moved[8] + moved[-8])),
        share(wrong([pair for pairs in moved.values() for pair in pairs])),
        share(taken),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split")
    parser.add_argument("sets", nargs="+", help="JUDGE=ROOT")
    parser.add_argument(
        "--seconds", type=float, nargs="*", default=[], help="also judge clips cut to these lengths"
    )
    arguments = parser.parse_args()
    clips = {}
    for given in arguments.sets:
        name, _, root = given.partition("=")
        judge = as_judge(name)
        clips[judge] = embedded(judge, root, arguments.split)
    true = true_offsets(clips)
    print(f"\n| {' | '.join(_HEAD)} |\n|{' --- |' * len(_HEAD)}")
    for judge, those in clips.items():
        for seconds in (None, *arguments.seconds):
            length = "whole" if seconds is None else f"{seconds:g} s"
            print(f"| {judge.name} | {length} | {' | '.join(row(judge, those, seconds, true))} |")


if __name__ == "__main__":
    main()
