"""Let a lips code start in another framing: the weights stay, the record of what it sees changes.

python -m experiments.lips_code.reframe MODEL FRAMING LEFT TOP RIGHT BOTTOM -o OUT

The last four are where its coder reads in the new crop. The editor has to be trained on there.
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
