"""How well is a person's code predicted from sound, before and after fitting the audio encoder?

    python -m experiments.adapt.heard PEOPLE -o OUT [--ridge 1000 10000 100000]

``PEOPLE`` is split as in ``experiments.adapt.table``, whose OUT can be reused. Prints Pearson's r
between the predicted and the true code, averaged over the code's dimensions, on the footage that
the encoder was not fitted to.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from experiments.adapt.table import halves
from experiments.lips_code.obey import correlation
from lipsync.adapt.codes import fit_codes
from lipsync.adapt.footage import gather
from lipsync.checkpoints import load_model
from lipsync.data.store import open_clip
from lipsync.generators.lips import Lips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--base", default="lipscode-open")
    parser.add_argument("--ridge", type=float, nargs="+", default=[1000, 10000, 100000])
    parser.add_argument("--clips", type=int, default=4, help="maximum test clips per person")
    options = parser.parse_args()
    base = load_model(options.base)
    print("| person | base |", " | ".join(f"{ridge:g}" for ridge in options.ridge), "|")
    print("| --- |", " | ".join("---:" for _ in [base, *options.ridge]), "|")
    for person in sorted(path for path in options.people.iterdir() if path.is_dir()):
        folder = options.output / person.name
        own, judged = halves(person, folder, options.clips)
        known = gather(own, folder / "own", base)
        held = gather(judged, folder / "judged", base, sync_check=False)
        keys = sorted([*held.train, *held.held_out])
        found = [agreement(base, held.root, keys)]
        for ridge in options.ridge:
            fitted = deepcopy(base)
            fit_codes(fitted, known.root, [*known.train, *known.held_out], ridge)
            found.append(agreement(fitted, held.root, keys))
        print(f"| `{person.name}` |", " | ".join(f"{r:.2f}" for r in found), "|", flush=True)


def agreement(model: nn.Module, root: Path, keys: list[str]) -> float:
    """Pearson's r between predicted and true codes, over all frames of some clips."""
    lips, heard, true = Lips(model), [], []
    for key in keys:
        clip = open_clip(root, key)
        for frames in np.array_split(np.arange(len(clip)), -(-len(clip) // 100)):
            sounds = lips.feature.cut(clip.feature(lips.feature), frames)
            heard.append(lips.codes_of_sound(sounds[:, 0]))
            true.append(lips.codes_of_faces(clip.read(frames)))
    told, meant = (torch.from_numpy(np.concatenate(part)) for part in (heard, true))
    return correlation(told, meant)


if __name__ == "__main__":
    main()
