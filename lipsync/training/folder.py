"""A run's folder: what an earlier run left in it, and the checkpoint to go on from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from lipsync.errors import CheckpointError, ConfigError
from lipsync.training.weights import check_same_run

log = logging.getLogger(__name__)

_LEFT = ("checkpoints", "csv", "tensorboard", "pictures", "wandb")


def set_aside(output: Path) -> None:
    """Move what an earlier run left in ``output`` to ``output/earlier-N``; nothing is lost."""
    left = [output / name for name in _LEFT if (output / name).exists()]
    if not left:
        return
    number = 1 + sum(1 for _ in output.glob("earlier-*"))
    aside = output / f"earlier-{number}"
    aside.mkdir()
    for path in left:
        path.replace(aside / path.name)
    log.info("an earlier run in %s was moved to %s", output, aside.name)


def resume_path(ckpt_path: str | None, output: Path) -> Path | None:
    """The checkpoint that ``ckpt_path`` means; None begins anew.

    Raises:
        ConfigError: if there is none.
    """
    if ckpt_path is None:
        return None
    path = output / "checkpoints" / "last.ckpt" if ckpt_path == "last" else Path(ckpt_path)
    if not path.is_file():
        raise ConfigError(f"ckpt_path={ckpt_path}: there is no checkpoint {path} to continue from")
    return path


def check_resume(path: Path, about: dict[str, Any]) -> None:
    """Raise CheckpointError unless a run of the networks ``about`` can go on from ``path``.

    The tensors stay on disk, so that this takes no time, and is done before any data are read.
    """
    try:
        there = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # the unpickler lets all kinds through
        problem, remedy = "is damaged, cut short, or no checkpoint", "name another one"
        raise CheckpointError(path, problem, remedy) from error
    if not isinstance(there, dict) or "lipsync" not in there:
        problem = "holds weights, but not the state of a training that could go on"
        raise CheckpointError(path, problem, "begin from its weights with model.init_from")
    check_same_run(there["lipsync"], about)
