"""Loggers of a run; each run is one wandb run, also when it is resumed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from lipsync.build import build
from lipsync.errors import ConfigError

_ID = Path("wandb", "id")  # in the run's folder


def make_loggers(parts: DictConfig | None, output: Path, resumes: bool) -> list[Logger]:
    """Build the loggers of a config; those set to null are skipped.

    A wandb run continues when training in its folder resumes, see :func:`keep_wandb_id`. In a
    sweep, names of runs end with their job number, and the sweep is a group.
    """
    return [
        build(part, **_run_options(part, output, resumes))
        for part in (parts or {}).values()
        if part is not None
    ]


def keep_wandb_id(loggers: list[Logger], output: Path) -> None:
    """Keep the id of a wandb run in ``output/wandb/id``."""
    for logger in loggers:
        if isinstance(logger, WandbLogger) and logger.version and rank_zero_only.rank == 0:
            path = output / _ID
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(logger.version + "\n")


def _run_options(part: DictConfig, output: Path, resumes: bool) -> dict[str, Any]:
    if not part["_target_"].endswith(".WandbLogger"):
        return {}
    id_file = output / _ID
    known = id_file.read_text().strip() if resumes and id_file.is_file() else ""
    own = {"id": known or uuid.uuid4().hex[:8]}
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        own |= {"name": f"{part.name}-{hydra.job.num}", "group": Path(hydra.sweep.dir).name}
    return {name: value for name, value in own.items() if name == "name" or name not in part}


@contextmanager
def finish_wandb(loggers: list[Logger]) -> Iterator[None]:
    """End the wandb run with this run, even on failure, so that a sweep's next run gets its own."""
    if not any(isinstance(logger, WandbLogger) for logger in loggers):
        yield
        return
    import wandb

    code = 1
    try:
        yield
        code = 0
    except wandb.Error as error:  # no account, no connection
        problem = " ".join(str(error).split()).rstrip(".")
        remedy = "logger.wandb.offline=true logs to this machine only"
        raise ConfigError(f"logger=wandb: {problem}; {remedy}") from error
    finally:
        wandb.finish(exit_code=code)
