"""Peak memory of two batches of a recipe, by batch size, with and without ``trainer.recompute``.

    python -m experiments.growth.memory open_lipscode_192 open_lipscode_256

Each case is a separate training process, on clips of noise. The difference between two batch sizes
gives the memory of each further sample (a frame, or a window of five).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir

from experiments.validation_memory.memory import peak
from lipsync.data.store import write_clip, write_split

REPOSITORY = Path(__file__).resolve().parents[2]
FRAMES = 30


def write_set(root: Path, size: int, framing: str, clips: int) -> None:
    """Write clips of noise for training, and one each for validation and test."""
    rng = np.random.default_rng(0)
    keys = [f"noise/{number}" for number in range(clips + 2)]
    for key in keys:
        faces = rng.integers(0, 256, (FRAMES, size, size, 3), np.uint8)
        wave = (0.1 * rng.standard_normal(FRAMES * 640)).astype(np.float32)
        write_clip(root, key, faces=faces, wave=wave, info={"framing": framing})
    for split, part in (("train", keys[2:]), ("val", keys[:1]), ("test", keys[1:2])):
        write_split(root, split, part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--batches", type=int, nargs=2, default=(2, 8), metavar="SIZE")
    parser.add_argument("--options", nargs="*", default=[], help="train.py options for all runs")
    args = parser.parse_args()
    few, many = args.batches
    print("| recipe | recompute | peak, MB | batch size | MB per further sample |")
    print("| --- | --- | --- | --- | --- |")
    for recipe in args.recipes:
        with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
            data = compose("train", [f"experiment={recipe}"]).data
        with tempfile.TemporaryDirectory() as folder:
            write_set(Path(folder), data.image_size, data.framing, many)
            for recompute in ("false", "true"):
                peaks = [
                    peak(
                        [
                            sys.executable, "train.py", f"experiment={recipe}",
                            f"data.root={folder}", f"hydra.run.dir={folder}/run",
                            f"data.batch_size={size}", "data.workers=0", "trainer.gpus=0",
                            f"trainer.recompute={recompute}", "trainer.batches=2",
                            "trainer.val_every=2", "data.eval_batch_size=1", "test=false",
                            "callbacks.pictures=null", "callbacks.video=null",
                            "data.evaluation.windows=1", *args.options,
                        ]
                    )[0]
                    for size in (few, many)
                ]  # fmt: skip
                slope = (peaks[1] - peaks[0]) / (many - few)
                print(
                    f"| {recipe} | {recompute} | {peaks[0]:.0f}, {peaks[1]:.0f} | {few}, {many} "
                    f"| {slope:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
