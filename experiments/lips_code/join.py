"""Join the editor of one lips code and the audio encoder of another that grew from the same coder.

python -m experiments.lips_code.join EDITOR SOUND -o OUT
"""

from __future__ import annotations

import argparse

import torch

from lipsync.checkpoints import load_model
from lipsync.checkpoints.saving import save_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("editor")
    parser.add_argument("sound")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    editor, sound = load_model(args.editor), load_model(args.sound)
    state = editor.state_dict()
    for name, value in sound.state_dict().items():
        if name.startswith("coder.") and not torch.equal(value, state[name]):
            parser.error("the two do not have one coder, so their codes say different things")
        if name.startswith("audio_encoder."):
            state[name] = value
    editor.load_state_dict(state)
    editor.card = sound.card  # the expert that trained the sound is told
    save_model(editor, args.output, half=True)


if __name__ == "__main__":
    main()
