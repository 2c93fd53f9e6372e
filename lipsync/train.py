"""Train a model: ``python -m lipsync.train model=wav2lip``; options: conf/train.yaml.

In a clone of the repository, ``python train.py`` does the same.
"""

from contextlib import suppress
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from lipsync.command import CONF, run_command
from lipsync.errors import LipsyncError, exit_on_error


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
def main(config: DictConfig) -> float:
    from lipsync.training.run import run  # slow to import; misspelt options should fail fast

    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    with exit_on_error(*[LipsyncError] * sweeping):  # a sweep continues with its next point
        try:
            return run(config)
        finally:
            with suppress(OSError):  # Hydra made the folder; a run that was refused left it empty
                Path(HydraConfig.get().runtime.output_dir).rmdir()


if __name__ == "__main__":
    run_command(main, "train")
