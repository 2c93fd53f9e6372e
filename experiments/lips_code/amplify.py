"""Make mouths open further: scale how far predicted codes deviate from rest, in the weights.

python -m experiments.lips_code.amplify MODEL FACTOR -o OUT

Has the same effect as `lipsync dub --amplitude FACTOR`, without the option.
"""

from __future__ import annotations

import argparse

import torch

from lipsync.checkpoints import load_model
from lipsync.checkpoints.saving import save_model
from lipsync.features import feature_of


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("factor", type=float)
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    network = load_model(args.model)
    silence = float(feature_of(network).silence)
    rest = network.code_of_sound(torch.full((1, *network.audio_shape), silence))[0]
    last = network.audio_encoder[-1]
    last.weight.mul_(args.factor)
    last.bias.copy_(rest + args.factor * (last.bias - rest))
    save_model(network, args.output, half=True)


if __name__ == "__main__":
    main()
