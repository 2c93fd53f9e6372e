"""Do codes agree between image sizes? The same clips, prepared at 128 and at 192 px.

    python -m experiments.growth.codes ROOT_128 ROOT_192 SPLIT

Prints the PSNR between the smaller crops and the larger ones, downscaled as in a grown network, and
the correlation between the codes read at both sizes, averaged over the code's dimensions.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from lipsync.checkpoints import load_model
from lipsync.data.store import open_clip, read_split
from lipsync.models.growth import resized
from lipsync.training.batches import to_float

EVERY = 3  # stride, in frames


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small")
    parser.add_argument("large")
    parser.add_argument("split")
    parser.add_argument("--model", default="lipscode-open")
    args = parser.parse_args()
    network = load_model(args.model)
    size = network.config["image_size"]
    codes, errors = [], []
    for key in read_split(args.small, args.split):
        clips = [open_clip(root, key) for root in (args.small, args.large)]
        frames = range(0, min(map(len, clips)), EVERY)
        one, other = (to_float(torch.from_numpy(clip.read(frames))) for clip in clips)
        errors.append(float((resized(other, size) - one).square().mean()))
        # the coder is the same at all sizes
        codes.append(torch.stack([network.code_of_faces(faces) for faces in (one, other)]))
    one, other = torch.cat(codes, dim=1).numpy()
    found = [np.corrcoef(*pair)[0, 1] for pair in zip(one.T, other.T, strict=True)]
    print(f"{len(one)} frames; crops {-10 * np.log10(np.mean(errors)):.1f} dB, "
          f"codes r = {np.mean(found):.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
