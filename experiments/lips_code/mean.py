"""Average the weights of networks that were fine-tuned from the same one.

python -m experiments.lips_code.mean MODEL MODEL... -o OUT
"""

from __future__ import annotations

import argparse

import torch

from lipsync.checkpoints import load_model
from lipsync.checkpoints.origin import merge_origins, trained_with
from lipsync.checkpoints.saving import save_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    networks = [load_model(model) for model in args.models]
    first, states = networks[0], [network.state_dict() for network in networks]
    if any(network.config != first.config for network in networks):
        parser.error("the networks differ in size or in their inputs")
    mean = {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }
    first.load_state_dict(mean)
    frozen = merge_origins(*map(trained_with, networks))
    save_model(first, args.output, {} if frozen is None else {"frozen": frozen}, half=True)


if __name__ == "__main__":
    main()
