"""Does each planted training failure produce a message that names it? On real clips.

    python experiments/planted_failures/run.py data/grid

Trains tiny networks briefly on forty clips: one run with nothing wrong, and one for each planted
failure. Prints the warnings and errors of each run.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.data.store import open_clip, read_split, write_clip, write_split
from lipsync.windows import FPS

REPOSITORY = Path(__file__).parents[2]
CLIPS, LATE = 40, 12  # clips in the set; delay of the sound in one run, in frames
COMMON = [
    "size.generator.width=0.1",
    "size.generator.depth=0",
    "size.discriminator.width=0.1",
    "size.expert.width=0.1",
    "size.expert.depth=0",
    "data=folder",
    "data.batch_size=2",
    "data.eval_batch_size=2",
    "callbacks.progress=null",
    "callbacks.pictures=null",
    "logger.tensorboard=null",
]
GENERATOR = ["model=wav2lip", "callbacks.video=null", "trainer.val_every=25"]


def write_set(root: Path, source: Path, late: int = 0, damaged: int = 0) -> list[str]:
    """Write clips of ``source``, the sound ``late`` frames late, and NaN in ``damaged`` mels."""
    keys = read_split(source, "train")[:CLIPS]
    for number, key in enumerate(keys):
        clip = open_clip(source, key)
        wave = np.roll(clip.wave, late * SAMPLE_RATE // FPS)
        folder = write_clip(root, key, faces=clip.faces, wave=wave, info={})
        if number < damaged:
            mel = np.load(folder / "mel.npy")
            mel[40] = np.nan
            np.save(folder / "mel.npy", mel)
    write_split(root, "train", keys[:-4])
    write_split(root, "val", keys[-4:])
    return keys


def train(output: Path, *options: str) -> tuple[int, list[str]]:
    """Exit code of a run, and the lines of its warnings and errors."""
    command = [sys.executable, str(REPOSITORY / "train.py"), *COMMON, *options]
    done = subprocess.run(
        [*command, f"hydra.run.dir={output}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stderr + done.stdout
    lines = [line for line in text.splitlines() if re.match("WARNING|error|Traceback", line)]
    return done.returncode, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="real clips prepared at 96 px")
    root = parser.parse_args().root
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: Path(folder, name) for name in ("healthy", "late", "damaged")}
        write_set(sets["healthy"], root)
        write_set(sets["late"], root, late=LATE)
        write_set(sets["damaged"], root, damaged=1)
        healthy = f"data.root={sets['healthy']}"
        nan_pixel = "model._target_=experiments.planted_failures.nan_pixel.NaNPixel"
        cases = {
            "nothing": [*GENERATOR, healthy, "trainer.batches=50"],
            f"all sound {LATE} frames late": [
                *("model=syncnet", f"data.root={sets['late']}", "trainer.batches=2"),
            ],
            "discriminator's learning rate 1": [
                *(*GENERATOR, healthy, "trainer.batches=100"),
                "model.discriminator_optimizer.lr=1",
            ],
            "one pixel not a number": [*GENERATOR, healthy, "trainer.batches=50", nan_pixel],
            "one clip's mel not numbers": [
                *(*GENERATOR, f"data.root={sets['damaged']}", "trainer.batches=50"),
            ],
        }
        for number, (name, options) in enumerate(cases.items()):
            output = Path(folder, f"run-{number}")
            code, lines = train(output, *options)
            kept = sorted(path.name for path in output.glob("checkpoints/*"))
            print(f"{name}: exit code {code}, checkpoints {', '.join(kept) or 'none'}")
            for line in lines or ["(no output)"]:
                print(f"    {line}")


if __name__ == "__main__":
    main()
