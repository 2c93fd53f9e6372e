"""Of two people in windows of two seconds, is the one who speaks found?

    python -m experiments.open_experts.two_people data/open test unseen --judge expert-open

Every clip gives a window every half second; the other face comes from a random clip of another
speaker at the same frames, and speaks, too. The speaker is chosen in three ways: by the cosine
similarity with the sound in place; by the confidence of a search over 31 offsets; or by the
similarity at a lag common to the whole clip, the one at which the better of the two faces fits best
(a video may be out of sync, but then it is so for everybody in it).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lipsync.data.store import open_clip, read_split
from lipsync.evaluation import as_judge
from lipsync.metrics.functional import sync_score

FRAMES, STEP, MOST_LAG = 50, 12, 7


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
        clips = {key: open_clip(args.root, key, side=judge.face_size) for key in keys}
        clips = {key: clip for key, clip in clips.items() if len(clip) >= FRAMES}
        faces = {key: judge.embed_faces(judge.faces(clip)) for key, clip in clips.items()}
        right = []
        for key, clip in clips.items():
            sound = judge.embed_sound(clip.wave, len(faces[key]))
            strangers = [other for other in clips if other.split("/")[0] != key.split("/")[0]]
            own = at_lags(faces[key], sound)
            for start in range(0, len(sound) - count + 1, STEP):
                window = slice(start, start + count)
                long = [other for other in strangers if len(faces[other]) >= start + count]
                face = faces[rng.choice(long)]
                other = at_lags(face[: len(sound)], sound)
                lag = torch.stack([own.nanmean(0), other.nanmean(0)]).amax(0).argmax()
                told = [fits[window].nanmean(0) for fits in (own, other)]
                seen = [sync_score(one[window], sound[window]) for one in (faces[key], face)]
                right.append(
                    [
                        bool(told[0][MOST_LAG] > told[1][MOST_LAG]),
                        seen[0].confidence > seen[1].confidence,
                        bool(told[0][lag] > told[1][lag]),
                    ]
                )
        shares = ", ".join(f"{share:.1%}" for share in np.mean(right, axis=0))
        print(f"{name}: {len(right)} windows; cosine at lag 0, confidence, cosine at lag: {shares}")


def at_lags(face: Tensor, sound: Tensor) -> Tensor:
    """Cosine similarity of each moment of a face with the sound, (n, lags); NaN without sound."""
    count = min(len(face), len(sound))
    fits = torch.full((count, 2 * MOST_LAG + 1), torch.nan)
    for place in range(2 * MOST_LAG + 1):
        lag = place - MOST_LAG
        at = torch.arange(max(0, -lag), min(count, len(sound) - lag))
        fits[at, place] = (face[at] * sound[at + lag]).sum(dim=1)
    return fits


if __name__ == "__main__":
    main()
