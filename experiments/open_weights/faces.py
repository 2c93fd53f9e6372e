"""How good are a generator's faces on GRID, and do they follow the sound? A table and a sheet.

    python experiments/open_weights/faces.py GENERATOR data/grid -o experiments/open_weights

PSNR (dB) of the lower half, over twenty frames of every clip, given a reference frame half a clip
away: for the clip's own sound, for another clip's sound from another moment, for another clip's
sound from the same moment (where similar words are spoken, since GRID's sentences share their
timing), and for the reference copied in. Errors are pooled over all pixels before the logarithm is
taken, so one bad clip weighs heavily. For the clip's own sound there are also the mean PSNR over
pictures, the sharpness of the mouth beside the real one's (mean squared Laplacian of luma), and the
number of pixels per million that are off by more than 0.4 in any channel (specks, mostly).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lipsync.checkpoints import load_model
from lipsync.data.datasets import Clips
from lipsync.data.inputs import Inputs
from lipsync.data.store import PreparedFolder
from lipsync.features import feature_of
from lipsync.metrics import LowerHalfPSNR
from lipsync.metrics.quality import picture_psnr
from lipsync.training.batches import framing_of, generator_faces, to_float
from lipsync.training.callbacks import face_sheet
from lipsync.training.step import Step
from lipsync.windows import lower_half

SYSTEMS = ("generated", "swapped_audio", "same_moment", "copied_reference")
SHOWN = 3  # clips per row of the sheet
WINDOWS, FRAMES = 4, 5  # windows per clip, and frames per window
SPECK = 0.4  # pixels that are off by more are counted as specks


@torch.inference_mode()
def paint(generator: torch.nn.Module, dataset: Clips, index: int) -> dict[str, Step]:
    """The pictures of every system for the windows of one clip."""
    sample, inputs = dataset[index], dataset.inputs
    target, reference = (to_float(torch.from_numpy(sample[k])) for k in ("faces", "reference"))
    faces = generator_faces(generator, target, reference)
    neighbour = dataset.clip(dataset.keys[(index + 1) % len(dataset)])
    moments = np.minimum(sample["start"], inputs.count(neighbour) - 1)
    sounds = {
        "generated": sample["sound"],
        "swapped_audio": sample["swapped_sound"],
        "same_moment": inputs.sound_windows(neighbour, moments),
    }
    painted = {k: generator(torch.from_numpy(sound), faces) for k, sound in sounds.items()}
    copied = reference[:, :1].expand_as(target)
    shown = {**painted, "copied_reference": copied, "real": target}
    sound = torch.from_numpy(sample["sound"])
    return {name: Step(0, target, reference, fake, sound) for name, fake in shown.items()}


def first_window(steps: list[dict[str, Step]]) -> dict[str, Step]:
    """The first window of several clips, for a sheet."""
    return {
        name: replace(step, fake=torch.cat([clip[name].fake[:1] for clip in steps]))
        for name, step in steps[0].items()
    }


def look(generated: torch.Tensor, real: torch.Tensor) -> tuple[float, float, float, float]:
    """PSNR, edge energy at the mouth (generated and real), and share of specks.

    Pictures are (FRAMES, 3, S, S). PSNR and specks are those of the lower half.
    """
    halves = lower_half(generated), lower_half(real)
    specks = (halves[0] - halves[1]).abs().amax(dim=1) > SPECK
    return (
        float(picture_psnr(*halves).mean()),
        edges(generated),
        edges(real),
        float(specks.float().mean()),
    )


def edges(pictures: torch.Tensor) -> float:
    """Mean square of the Laplacian of luma in the middle of the lower half."""
    luma = (pictures * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=1)
    mouth = luma[:, 56:88, 28:68]
    around = mouth[:, :-2, 1:-1] + mouth[:, 2:, 1:-1] + mouth[:, 1:-1, :-2] + mouth[:, 1:-1, 2:]
    return float((around - 4 * mouth[:, 1:-1, 1:-1]).square().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generator")
    parser.add_argument("root", type=Path, help="prepared GRID")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the sheets")
    args = parser.parse_args()

    generator = load_model(args.generator)
    inputs = Inputs(
        image_size=generator.config["image_size"],
        framing=generator.config["framing"],
        frames=FRAMES,
        sound=feature_of(generator),
        references=generator.references,
    )
    columns = ("split", *SYSTEMS, "mean of pictures", "sharpness", "specks")
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for split in ("val", "test", "unseen"):
        dataset = Clips(PreparedFolder(args.root), split, inputs, windows=WINDOWS)
        metrics = {name: LowerHalfPSNR() for name in SYSTEMS}
        shown = set(np.linspace(1, len(dataset) - 2, 2 * SHOWN).astype(int).tolist())
        kept: list[dict[str, Step]] = []
        looks: list[tuple[float, float, float, float]] = []
        for index in range(len(dataset)):
            steps = paint(generator, dataset, index)
            real = steps["real"].fake
            for name, metric in metrics.items():
                metric.update(steps[name].fake.flatten(0, 1), real.flatten(0, 1))
            looks += map(look, steps["generated"].fake, real)
            if index in shown:
                kept.append(steps)
        psnr, sharp, sharp_real, specks = np.mean(looks, axis=0)
        numbers = [*(float(m.compute()) for m in metrics.values()), psnr]
        print(f"| {split} | " + " | ".join(f"{n:.1f}" for n in numbers), end=" | ")
        print(f"{sharp / sharp_real:.2f} | {1e6 * specks:.0f} |", flush=True)
        rows = [
            face_sheet(first_window(part), framing_of(generator))
            for part in (kept[:SHOWN], kept[SHOWN:])
        ]
        args.output.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(rows)).save(
            args.output / f"faces-{split}.jpg", quality=80, optimize=True
        )


if __name__ == "__main__":
    main()
