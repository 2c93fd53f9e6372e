"""A run's folder: what an earlier run left in it, and the checkpoint to go on from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from lipsync.errors import CheckpointError, ConfigError
from lipsync.training.weights import check_same_run

log = logging.getLogger(__name__)

_LEFT = (
    *("checkpoints", "csv", "tensorboard", "pictures", "wandb"),
    *("test.json", "test_untrained.json"),
)


def set_aside(output: Path) -> None:
    """Move what an earlier run left in ``output`` to ``output/earlier-N``; nothing is lost."""
    left = [output / name for name in _LEFT if (output / name).exists()]
    if not left:
        return
    taken = [path.name.removeprefix("earlier-") for path in output.glob("earlier-*")]
    number = 1 + max((int(text) for text in taken if text.isdecimal()), default=0)
    aside = output / f"earlier-{number}"
    aside.mkdir()
    for path in left:
        path.replace(aside / path.name)
    log.info("an earlier run in %s was moved to %s", output, aside.name)


def resume_path(ckpt_path: str | None, output: Path) -> Path | None:
    """The checkpoint that ``ckpt_path`` means; None trains from scratch.

    Raises:
        ConfigError: if there is none.
    """
    if ckpt_path is None:
        return None
    path = output / "checkpoints" / "last.ckpt" if ckpt_path == "last" else Path(ckpt_path)
    if not path.is_file():
        raise ConfigError(f"ckpt_path={ckpt_path}: no checkpoint {path} to resume from")
    return path


def check_resume(path: Path, about: dict[str, Any], batches_per_epoch: int) -> None:
    """Raise CheckpointError unless a run of the networks ``about`` can go on from ``path``.

    An epoch has to be as long as it was, since that is what training counts. The tensors stay on
    disk, so that this takes no time, and is done before any data are read.
    """
    try:
        there = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # the unpickler lets all kinds through
        problem, remedy = "is damaged, cut short, or not a checkpoint", "name another one"
        raise CheckpointError(path, problem, remedy) from error
    if not isinstance(there, dict) or "lipsync" not in there:
        problem = "holds weights only, without the training state needed to resume"
        raise CheckpointError(
            path, problem, "start a new run from its weights with model.init_from"
        )
    check_same_run(there["lipsync"], about)
    done = there["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"]
    then = done // (there["epoch"] + 1)
    if then != batches_per_epoch:
        raise CheckpointError(
            path,
            f"that run validates every {then} batches, this one every {batches_per_epoch}",
            f"set trainer.val_every={then} and trainer.batches to a multiple of it",
        )


def keep_best(states: dict[str, Any], folder: Path) -> None:
    """Let a run whose folder was moved or renamed keep its best score, which Lightning drops.

    Args:
        states: of a checkpoint's callbacks; changed in place.
        folder: where the run keeps its checkpoints now.
    """
    for state in states.values():
        if isinstance(state, dict) and state.get("dirpath"):
            old, state["dirpath"] = state["dirpath"], str(folder)
            for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
                state[name] = state[name].replace(old, str(folder), 1)
            kept = state["best_k_models"].items()
            state["best_k_models"] = {p.replace(old, str(folder), 1): v for p, v in kept}
