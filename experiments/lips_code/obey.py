"""Does the editor follow the code? Generates from other clips' codes, and reads the code back.

python -m experiments.lips_code.obey ROOT SPLIT MODEL... [--clips 12]

Each clip is generated four times: from its true code, from the code predicted from its sound, from
the code of another clip, and from that of silence. ``r`` is Pearson's correlation over 40 frames,
averaged over the code's dimensions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lipsync.checkpoints import load_model
from lipsync.data.clips import Clip
from lipsync.data.store import PreparedFolder, read_split
from lipsync.features import feature_of
from lipsync.models import LipsCode
from lipsync.training.batches import generator_faces, to_float
from lipsync.windows import lower_half

FRAMES = range(5, 45)
COLUMNS = {
    "asked": "code read from the result, r with the requested code",
    "own": "the same, r with the code of the face's own mouth",
    "still": "variation of the code under silence, relative to real",
    "motion": "motion of the lower half under silence, relative to real",
    "true": "PSNR of the lower half from the true code, dB",
    "heard": "the same from sound, dB",
    "hears": "code predicted from sound, r with the true code",
    "sharp": "steps between rows at the mouth, relative to real",
}


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's r over time, averaged over the columns of (n, dimensions)."""
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    norms = a.norm(dim=0) * b.norm(dim=0)
    return float(((a * b).sum(dim=0) / norms.clamp_min(1e-6)).mean())


def motion(faces: Tensor) -> float:
    return float(lower_half(faces).diff(dim=0).abs().mean())


def steps(faces: Tensor) -> float:
    side = faces.shape[-1]
    edge = round(0.31 * side)
    return float(lower_half(faces)[..., edge : side - edge].diff(dim=-2).abs().mean())


def psnr(made: Tensor, true: Tensor) -> float:
    return float(-10 * (lower_half(made) - lower_half(true)).square().mean().log10())


@torch.inference_mode()
def measure(network: LipsCode, clip: Clip, other: Clip) -> list[float]:
    """The values of COLUMNS for one clip; ``other`` gives the requested code."""
    target, theirs = (to_float(torch.from_numpy(c.read(FRAMES))) for c in (clip, other))
    at = np.linspace(0, len(FRAMES) - 1, network.references + 2)[1:-1].astype(int)
    faces = generator_faces(network, target, target[at])
    own, asked = network.code_of_faces(target), network.code_of_faces(theirs)
    feature = feature_of(network)
    heard = feature.cut(clip.feature(feature), np.array(FRAMES))
    heard = network.code_of_sound(torch.from_numpy(heard))
    silence = torch.full((1, *network.audio_shape), float(feature.silence))
    rest = network.code_of_sound(silence).expand_as(own)
    swapped, silent, true, spoken = (network.edit(c, faces) for c in (asked, rest, own, heard))
    read, still = network.code_of_faces(swapped), network.code_of_faces(silent)
    return [
        correlation(read, asked),
        correlation(read, own),
        float(still.std(dim=0).mean() / own.std(dim=0).mean()),
        motion(silent) / motion(target),
        psnr(true, target),
        psnr(spoken, target),
        correlation(heard, own),
        steps(spoken) / steps(target),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("split")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clips", type=int, default=12)
    args = parser.parse_args()
    keys = read_split(args.root, args.split)
    keys = keys[:: max(1, len(keys) // args.clips)]
    for name, told in COLUMNS.items():
        print(f"{name:7} {told}")
    print(" ".join(f"{name:>7}" for name in COLUMNS))
    for model in args.models:
        network = load_model(model)
        reader = PreparedFolder(args.root, network.config["image_size"])
        clips = [reader.open(key) for key in keys]
        rows = [measure(network, clip, clips[(i + 3) % len(clips)]) for i, clip in enumerate(clips)]
        print(" ".join(f"{value:7.2f}" for value in np.mean(rows, axis=0)), model)


if __name__ == "__main__":
    main()
