"""Train a model: ``python train.py model=wav2lip trainer.gpus=4``. Options are in conf/."""

from lipsync.command import run_command
from lipsync.train import main

if __name__ == "__main__":
    run_command(main, "train")
