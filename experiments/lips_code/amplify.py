"""Let mouths open further: what is heard differs more from rest, for good.

python -m experiments.lips_code.amplify MODEL FACTOR -o OUT

An audio encoder that is trained by a distance hears means, which move less than mouths do. This is
`lipsync dub --amplitude FACTOR`, written into the weights.
"""

from __future__ import annotations

import argparse

import torch

from lipsync.checkpoints import load_model
from lipsync.checkpoints.saving import save_model
from lipsync.features import feature_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("factor", type=float)
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    network = load_model(args.model).float().eval()
    silence = torch.full((1, *network.audio_shape), float(feature_of(network).silence))
    with torch.inference_mode():
        rest = network.code_of_sound(silence)[0]
        last = network.audio_encoder[-1]
        last.weight.mul_(args.factor)
        last.bias.mul_(args.factor).add_((1 - args.factor) * rest)
        assert torch.allclose(network.code_of_sound(silence)[0], rest, atol=1e-3)
    save_model(network, args.output, half=True)


if __name__ == "__main__":
    main()
