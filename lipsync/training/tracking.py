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


def make_loggers(parts: DictConfig | None, output: Path) -> list[Logger]:
    """Build the loggers of a config; those set to null are skipped.

    A wandb run's id is kept in ``output/wandb/id``, so that it continues when training in that
    folder resumes. In a sweep, names of runs end with their job number, and the sweep is a group.
    """
    return [
        build(part, **_run_options(part, output))
        for part in (parts or {}).values()
        if part is not None
    ]


def _run_options(part: DictConfig, output: Path) -> dict[str, Any]:
    if not part["_target_"].endswith(".WandbLogger"):
        return {}
    own = {"id": _run_id(output)}
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        own |= {"name": f"{part.name}-{hydra.job.num}", "group": Path(hydra.sweep.dir).name}
    return {name: value for name, value in own.items() if name == "name" or name not in part}


def _run_id(output: Path) -> str:
    path = output / "wandb" / "id"
    if path.is_file():
        return path.read_text().strip()
    new = uuid.uuid4().hex[:8]
    if rank_zero_only.rank == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new + "\n")
    return new


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
