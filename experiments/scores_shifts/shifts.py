"""Do the scores detect late sound, and the sound of another clip? On real clips.

    python experiments/scores_shifts/shifts.py GRID -o experiments/scores_shifts

Each clip is scored as it is, with its sound 1, 2, 5 and 10 frames late (padded with silence), and
with the sound of the next clip in the list, of another speaker if there is one. Distance and
confidence are taken at the best offset, which hides a constant delay. ``distance_at_0`` and
``confidence_at_0`` are without the search: m(0) and median - m(0), where m is the mean distance, so
they describe the video as a viewer sees it.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lipsync.audio import SAMPLE_RATE
from lipsync.data.store import read_split
from lipsync.errors import MediaError
from lipsync.evaluation import DEFAULT_JUDGE, as_judge
from lipsync.evaluation.videos import Scoring, protocol_name
from lipsync.faces.detect import get_detector
from lipsync.media import read_audio
from lipsync.metrics import compare_paired, mean_interval, offset_curve, sync_score
from lipsync.windows import FPS

LATE = (1, 2, 5, 10)
NAMES = ("distance", "confidence", "distance_at_0", "confidence_at_0")
FRAME = SAMPLE_RATE // FPS


def late(wave: np.ndarray, frames: int) -> np.ndarray:
    return np.pad(wave, (frames * FRAME, 0))[: len(wave)]


def elsewhere(keys: list[str], number: int) -> str:
    """The next clip in the list, of another speaker if there is one."""
    after = keys[number + 1 :] + keys[:number]
    speaker = keys[number].split("/")[0]
    return next((key for key in after if key.split("/")[0] != speaker), after[0])


def numbers(video: torch.Tensor, audio: torch.Tensor) -> dict[str, float]:
    score, curve = sync_score(video, audio), offset_curve(video, audio)
    still = float(curve[len(curve) // 2])
    return {
        "distance": score.distance,
        "confidence": score.confidence,
        "offset": score.offset,
        "distance_at_0": still,
        "confidence_at_0": float(curve.median()) - still,
    }


def measure(root: Path, keys: list[str], judge_name: str) -> tuple[dict, dict, str]:
    """Returns {sound: {clip: numbers}}, {clip: problem}, and the protocol."""
    judge, detector = as_judge(judge_name), get_detector("centerface")
    found: dict[str, dict] = defaultdict(dict)
    problems = {}
    for number, key in enumerate(tqdm(keys, unit="clip", disable=None)):
        path = root / f"{key}.mp4"
        try:
            wave = read_audio(path, SAMPLE_RATE)
            other = read_audio(root / f"{elsewhere(keys, number)}.mp4", SAMPLE_RATE)
            stretch = Scoring(judge, detector).stretch(path)
            video = judge.embed_faces(stretch.crops(judge.face_size))
        except MediaError as error:
            problems[key] = error.problem
            continue
        ways = {"original": wave} | {f"{frames} late": late(wave, frames) for frames in LATE}
        for way, sound in (ways | {"another clip's": other}).items():
            sound = stretch.sound(sound)
            count = min(len(video), judge.count(len(video) + judge.window - 1, len(sound)))
            found[way][key] = numbers(video[:count], judge.embed_sound(sound, count))
    return found, problems, protocol_name("wild", judge)


def table(found: dict[str, dict]) -> str:
    """A Markdown table of the means of each sound, with intervals."""
    lines = [
        "| sound | n | distance ↓ | confidence ↑ | median offset | distance at offset 0 ↓ | "
        "confidence at offset 0 ↑ |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, clips in found.items():
        cells = {n: mean_interval([c[n] for c in clips.values()]).text() for n in NAMES}
        offset = np.median([c["offset"] for c in clips.values()])
        lines.append(
            f"| {way} | {len(clips)} | {cells['distance']} | {cells['confidence']} | "
            f"{offset:+g} | {cells['distance_at_0']} | {cells['confidence_at_0']} |"
        )
    return "\n".join(lines)


def steps(found: dict[str, dict]) -> str:
    """A Markdown table comparing each sound with the one before it, on the same clips."""
    lines = [
        "| step | n | distance | confidence | distance at offset 0 | confidence at offset 0 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    ways = list(found)
    pairs = [*pairwise(ways), (ways[0], ways[-1])]
    for before, after in pairs:
        cells, n = [], 0
        for name in NAMES:
            sides = [{k: c[name] for k, c in found[way].items()} for way in (before, after)]
            gap = compare_paired(*sides)
            n = gap.difference.n
            cells.append(gap.difference.text() + ("" if gap.clear else " (not significant)"))
        lines.append(f"| {before} → {after} | {n} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="videos <speaker>/<clip>.mp4 and filelists/")
    parser.add_argument("--judge", default=DEFAULT_JUDGE, help="name or path of a judge")
    parser.add_argument("--splits", nargs="+", default=["test", "unseen"])
    parser.add_argument("--clips", type=int, help="clips of each split (default: all)")
    parser.add_argument("-o", "--output", type=Path, help="write shifts.json there")
    args = parser.parse_args()

    everything = {}
    for split in args.splits:
        keys = read_split(args.root, split)[: args.clips]
        found, problems, protocol = measure(args.root, keys, args.judge)
        print(f"\n### {split}\n\n{args.judge}; {protocol}\n\n{table(found)}\n\n{steps(found)}")
        for key, problem in problems.items():
            print(f"left out: {key}: {problem}")
        everything[split] = {"protocol": protocol, "problems": problems, "clips": found}
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"judge": args.judge} | everything, indent=1) + "\n"
        (args.output / "shifts.json").write_text(text)


if __name__ == "__main__":
    main()
