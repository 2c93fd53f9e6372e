"""How much of what covers a face is kept, by kind, and how much is left unpainted by mistake?

    python -m experiments.occlusion.table data/open_jaw --split test

Occluders are drawn over four frames of each clip, and another frame of the clip serves as the
reference. ``kept`` is the share of the occluder, within the area to be dubbed, that a dub leaves
in place; ``unpainted`` is the share of the rest of that area that it leaves unchanged by mistake.
In the row ``none`` nothing is drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from lipsync.checkpoints import load_model
from lipsync.data.store import PreparedFolder
from lipsync.dubbing.occlusion import OCCLUSION, Occlusion
from lipsync.faces.framing import get_framing
from lipsync.metrics.statistics import mean_interval
from lipsync.models.occlusion import SIDE
from lipsync.training.occluders import KINDS, occluder, recompress

FRAMES = 4  # per clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--network", default=OCCLUSION)
    given = parser.parse_args()
    network = load_model(given.network)
    finder, reader = Occlusion(network), PreparedFolder(given.root)
    unit = (np.arange(SIDE) + 0.5) / SIDE
    painted = get_framing(network.config["framing"]).mask.weights(unit[None], unit[:, None])
    keys = reader.keys(given.split)
    print("| occluder | kept | unpainted |\n| --- | ---: | ---: |")
    for kind in (*KINDS, "none"):
        rng = np.random.default_rng(0)
        rows = [shares(finder, painted, pictures(reader, key), kind, rng) for key in keys]
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        cells = [mean_interval(column[np.isfinite(column)]).text() for column in columns]
        print(f"| {kind} | {' | '.join(['-', *cells][-2:])} |", flush=True)


def pictures(reader: PreparedFolder, key: str) -> np.ndarray:
    """Four frames of a clip, float32 (n, S, S, 3) in [0, 1]."""
    clip = reader.open(key)
    numbers = np.linspace(0, len(clip) - 1, FRAMES).astype(int)
    return clip.read(numbers).astype(np.float32) / 255


def shares(
    finder: Occlusion, painted: np.ndarray, faces: np.ndarray, kind: str, rng: np.random.Generator
) -> list[float]:
    """The values of ``kept`` (if an occluder is drawn) and ``unpainted`` for one clip."""
    others, hidden = np.roll(faces, FRAMES // 2, axis=0), np.zeros(faces.shape[:3], np.float32)
    faces = faces.copy()
    if kind != "none":
        for face, other, mask in zip(faces, others, hidden, strict=True):
            colour, mask[...] = occluder(rng, face, other, kind)
            face += mask[..., None] * (colour - face)
            face[...] = recompress(rng, face)
    as_bytes = [list(np.rint(255 * each.clip(0, 1)).astype(np.uint8)) for each in (faces, others)]
    left = 1 - finder.visible(*as_bytes)
    step = faces.shape[1] // SIDE
    covered = hidden[:, step // 2 :: step, step // 2 :: step]
    found = [np.average(left, weights=painted * (1 - covered))]
    if kind != "none":
        inside = painted * covered
        found.insert(0, np.average(left, weights=inside) if inside.sum() > 1 else np.nan)
    return found


if __name__ == "__main__":
    main()
