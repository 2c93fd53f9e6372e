"""Of two people, in windows of two seconds, is the one found whose sound is heard?

    python -m experiments.open_experts.two_people data/open test unseen --judge expert-open

Every clip gives windows from frames 0, 12 and 24; the other person's face is a random clip's at the
same frames, with its mouth at work too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from lipsync.data.store import open_clip, read_split
from lipsync.evaluation import as_judge
from lipsync.metrics.functional import sync_score

FRAMES = 50
STARTS = (0, 12, 24)
SAMPLES = 640  # of a frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("lists", nargs="+")
    parser.add_argument("--judge", default="expert-open")
    args = parser.parse_args()
    torch.set_num_threads(1)
    judge, rng = as_judge(args.judge), np.random.default_rng(0)
    count = FRAMES - judge.window + 1
    for name in args.lists:
        keys = read_split(args.root, name)
        clips = [open_clip(args.root, key, side=judge.face_size) for key in keys]
        faces = [judge.embed_faces(judge.faces(clip)) for clip in clips]
        by_cosine, by_confidence = [], []
        for i, clip in enumerate(clips):
            for start in STARTS:
                if len(faces[i]) < start + count:
                    continue
                wave = clip.wave[start * SAMPLES : (start + FRAMES) * SAMPLES]
                sound = judge.embed_sound(wave, count)
                long = [k for k in range(len(clips)) if k != i and len(faces[k]) >= start + count]
                seen = [faces[k][start : start + count] for k in (i, rng.choice(long))]
                own, other = (float((face * sound).sum(dim=1).mean()) for face in seen)
                by_cosine.append(own > other)
                own, other = (sync_score(face, sound).confidence for face in seen)
                by_confidence.append(own > other)
        print(
            f"{name}: {len(by_cosine)} windows, right by the cosine at offset 0 "
            f"{np.mean(by_cosine):.1%}, by confidence {np.mean(by_confidence):.1%}"
        )


if __name__ == "__main__":
    main()
