"""Change the framing of a lips code: the weights stay the same, only the config changes.

python -m experiments.lips_code.reframe MODEL FRAMING LEFT TOP RIGHT BOTTOM -o OUT

The last four say where in the new crop the coder reads the mouth. The editor has to be trained
further in the new framing.
"""

from __future__ import annotations

import argparse

from lipsync.checkpoints import load_model
from lipsync.checkpoints.saving import save_model
from lipsync.faces.framing import FRAMINGS
from lipsync.models import LipsCode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("framing", choices=list(FRAMINGS))
    parser.add_argument("mouth", type=float, nargs=4)
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    given = load_model(args.model)
    network = LipsCode(**given.config | {"framing": args.framing, "mouth": args.mouth})
    network.load_state_dict(given.state_dict())
    network.card = given.card
    save_model(network, args.output)


if __name__ == "__main__":
    main()
