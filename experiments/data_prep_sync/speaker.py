"""Of two faces in view, is the one that speaks chosen?

    python experiments/data_prep_sync/speaker.py data/grid val test unseen --judge syncnet-open

The sound of every clip is compared with its own face and with that of another clip, which speaks
another sentence at the same time (the hardest case, as GRID's sentences all begin and end alike) or
at other times (the same pictures, cyclically shifted by half a clip).
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from tqdm import tqdm

from data_prep.mouth import SIDE, av_correlation, mouth_of
from lipsync.data.store import Clip, open_clip, read_split
from lipsync.evaluation import as_judge
from lipsync.metrics.functional import sync_score

_FRAME = 640  # samples per frame


def motion(clip: Clip) -> np.ndarray:
    """Motion of the mouth between frames, (frames - 1,)."""
    sides = SIDE, SIDE
    faces = (cv2.resize(face, sides, interpolation=cv2.INTER_AREA) for face in clip.faces)
    mouths = np.stack([mouth_of(face) for face in faces])
    return np.abs(np.diff(mouths, axis=0)).mean(axis=(1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="a prepared set")
    parser.add_argument("splits", nargs="+")
    parser.add_argument("--judge", default="syncnet-open")
    parser.add_argument("--clips", type=int, help="maximum per split; all by default")
    parser.add_argument("--rivals", type=int, default=3)
    arguments = parser.parse_args()
    judge = as_judge(arguments.judge)
    print("| split | pairs | the other speaks | by the mouth's motion | by the judge |")
    print("| --- | ---: | --- | ---: | ---: |")
    for split in arguments.splits:
        keys = read_split(arguments.root, split)[: arguments.clips]
        clips = [open_clip(arguments.root, key) for key in keys]
        motions = [motion(clip) for clip in clips]
        embedded = [judge.embed(judge.faces(clip), clip.wave) for clip in tqdm(clips, desc=split)]
        rng = np.random.default_rng(0)
        for case in ("at the same time", "at other times"):
            by_mouth, by_judge = [], []
            for i, clip in enumerate(clips):
                others = rng.choice(
                    [k for k in range(len(clips)) if k != i], arguments.rivals, False
                )
                own = av_correlation(motions[i], clip.wave)
                video, sound = embedded[i]
                sure = sync_score(video, sound).confidence
                for k in others:
                    shift = len(motions[k]) // 2 if case == "at other times" else 0
                    rival = np.roll(motions[k], shift)
                    by_mouth.append(own > av_correlation(rival, clip.wave))
                    seen = np.roll(embedded[k][0].numpy(), shift, axis=0)
                    count = min(len(seen), len(sound))
                    seen = video.new_tensor(seen[:count])
                    by_judge.append(sure > sync_score(seen, sound[:count]).confidence)
            print(
                f"| {split} | {len(by_mouth)} | {case} | {np.mean(by_mouth):.0%} "
                f"| {np.mean(by_judge):.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
