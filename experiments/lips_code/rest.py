"""Make mouths rest in pauses, by fitting the last layer of the audio encoder.

python -m experiments.lips_code.rest MODEL ROOT... -o OUT [--weight 0.3]

Training on speech also changes the code that the encoder predicts for silence. Here the last layer
is fitted by least squares: predictions for speech in the ``train`` split should stay the same,
those for pauses become the true code, and the prediction for silence become the mean true code of
the pauses. Each clip is used twice, as it is and with digital silence in its pauses, as the noise
gate of a dub leaves it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lipsync.checkpoints import load_model
from lipsync.checkpoints.saving import save_model
from lipsync.data.store import open_set
from lipsync.features import feature_of
from lipsync.training.batches import to_float

MOST, EDGE = 250, 2  # frames used per clip, and frames skipped at either end
QUIET = 0.25  # threshold of speech, between the level of quiet columns (0) and of loud ones (1)
AROUND = 12  # columns on either side of speech that are not gated
SILENCE = 0.02  # weight of digital silence, as a share of all frames


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("roots", type=Path, nargs="+")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--weight", type=float, default=0.3, help="weight of pauses; 1 for speech")
    args = parser.parse_args()
    network = load_model(args.model)
    parts = [part for root in args.roots for part in frames_of(root, network)]
    inputs, said, true, pauses = (torch.cat(each) for each in zip(*parts, strict=True))
    silence = float(feature_of(network).silence)
    silent = told(network, torch.full((1, *network.audio_shape), silence))
    last = network.audio_encoder[-1]
    rest, now = true[pauses].mean(dim=0), last(silent[:, :-1].float())[0].double()
    weights = torch.where(pauses, args.weight, 1.0)[:, None]
    errors = (true - said) * pauses[:, None]
    squares = inputs.T @ (weights * inputs) + torch.eye(inputs.shape[1])
    share = SILENCE * len(inputs) * args.weight
    squares += share * silent.T @ silent
    change = torch.linalg.solve(
        squares, inputs.T @ (weights * errors) + share * silent.T @ (rest - now)[None]
    )
    for name, there in (("pauses", pauses), ("speech", ~pauses)):
        new = said[there] + inputs[there] @ change
        apart = [(each - true[there]).abs().mean() for each in (said[there], new)]
        print(f"{name}: error of the code {apart[0]:.3f}, now {apart[1]:.3f}")
    last.weight += change[:-1].T.float()
    last.bias += change[-1].float()
    save_model(network, args.output, half=True)


def told(network: torch.nn.Module, sounds: Tensor) -> Tensor:
    """Input of the last layer, with a column of ones for its bias: (n, d + 1)."""
    heard = network.audio_encoder[:-1](sounds).flatten(1)
    return torch.cat([heard, torch.ones(len(heard), 1)], dim=1).double()


def frames_of(root: Path, network: torch.nn.Module) -> list[tuple[Tensor, ...]]:
    """Per clip: input and output of the last layer, true codes, and which frames are pauses."""
    reader, feature, found = open_set(root, network.config["image_size"]), feature_of(network), []
    for key in reader.keys("train"):
        clip = reader.open(key)
        frames = np.arange(EDGE, min(len(clip), MOST) - EDGE)
        true = network.code_of_faces(to_float(torch.from_numpy(clip.read(frames)))).double()
        sound = np.array(clip.feature(feature))
        level = sound.mean(axis=0)
        quiet, loud = np.quantile(level, (0.05, 0.9))
        speaks = level > quiet + QUIET * (loud - quiet)
        near = np.convolve(speaks, np.ones(2 * AROUND + 1), "same") > 0
        gated = np.where(near, sound, feature.silence).astype(np.float32)
        first = (frames * feature.rate // 25)[:, None] + np.arange(-3, 7)
        pauses = ~speaks[first.clip(0, len(level) - 1)].any(axis=1)
        for heard in (sound, gated):
            inputs = told(network, torch.from_numpy(feature.cut(heard, frames)))
            said = network.audio_encoder[-1](inputs[:, :-1].float()).double()
            found.append((inputs, said, true, torch.from_numpy(pauses)))
    return found


if __name__ == "__main__":
    main()
