"""Train a model: ``python train.py model=wav2lip trainer.gpus=4``. Options are in conf/."""

import hydra
from omegaconf import DictConfig

from lipsync.command import run_command
from lipsync.errors import exit_on_error
from lipsync.training.run import run


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(config: DictConfig) -> float:
    with exit_on_error():
        return run(config)


if __name__ == "__main__":
    run_command(main)
