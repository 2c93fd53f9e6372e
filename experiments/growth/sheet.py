"""A contact sheet of faces at full size: real ones, and those that models generate from the sound.

    python -m experiments.growth.sheet ROOT SPLIT MODEL [MODEL ...] -o sheet.png

ROOT is prepared at the size of the largest model. Each row shows one frame of a clip: the real one,
then that of each model. All models get the same references, other moments of the clip. Smaller
models get downscaled pictures, and their output is upscaled.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from lipsync.checkpoints import load_model
from lipsync.data.store import open_clip, read_split
from lipsync.features import feature_of
from lipsync.metrics.quality import edge_energy
from lipsync.models import FaceGenerator
from lipsync.models.growth import sizes_of
from lipsync.training.batches import generator_faces, to_float


@torch.inference_mode()
def painted(generator: FaceGenerator, clip, frames: np.ndarray) -> np.ndarray:
    """Frames generated from their own sound, at the clip's size: float32 (n, S, S, 3)."""
    side, size = clip.size, generator.config["image_size"]
    count = generator.references
    beside = [(2 * i + 1) * len(clip) // (2 * count) for i in range(count)]

    def read(at: np.ndarray) -> torch.Tensor:
        faces = [cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) if size != side
                 else face for face in clip.read(at)]  # fmt: skip
        return to_float(torch.from_numpy(np.stack(faces)))

    feature = feature_of(generator)
    sound = torch.from_numpy(feature.cut(clip.feature(feature), frames))
    faces = generator_faces(generator, read(frames), read(np.array(beside)))
    out = generator(sound, faces).movedim(1, -1).numpy()
    return np.stack([cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in out])


def grown(generator: FaceGenerator, size: int) -> FaceGenerator:
    """The same network with a new outer stage, untrained."""
    config = generator.config | {"image_size": size, "grown_from": sizes_of(generator.config)}
    larger = type(generator)(**config)
    larger.load_state_dict({**larger.state_dict(), **generator.state_dict()})
    return larger.eval()


def fine_detail(faces: np.ndarray) -> float:
    """Root of the mean edge energy of the mouths in faces (n, S, S, 3)."""
    return float(edge_energy(torch.from_numpy(faces).movedim(-1, 1)).mean().sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("split")
    parser.add_argument("models", nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--grown", type=int, help="also show the first model grown to this size")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frame", type=int, default=30)
    args = parser.parse_args()
    generators = [load_model(model) for model in args.models]
    if args.grown is not None:
        args.models.insert(1, f"{args.models[0]} grown to {args.grown}, untrained")
        generators.insert(1, grown(generators[0], args.grown))
    rows, errors = [], {model: [] for model in args.models}
    detail = {model: [] for model in ["real", *args.models]}
    for key in read_split(args.root, args.split)[: args.clips]:
        clip = open_clip(args.root, key)
        frames = np.arange(args.frame, args.frame + 8)
        real = clip.read(frames).astype(np.float32) / 255
        row = [real[0]]
        detail["real"].append(fine_detail(real))
        below = slice(round(0.375 * clip.size), None)
        for model, generator in zip(args.models, generators, strict=True):
            made = painted(generator, clip, frames)
            errors[model].append(np.square(made - real)[:, below].mean())
            detail[model].append(fine_detail(made))
            row.append(made[0])
        rows.append(np.concatenate(row, axis=1))
    sheet = np.concatenate(rows).clip(0, 1)
    Image.fromarray((255 * sheet + 0.5).astype(np.uint8)).save(args.output)
    for model, found in errors.items():
        share = np.mean(detail[model]) / np.mean(detail["real"])
        loss = -10 * np.log10(np.mean(found))
        print(f"{model}: {loss:.2f} dB in the generated rows, detail {share:.2f} relative to real")


if __name__ == "__main__":
    main()
