"""A run's output folder: results of earlier runs, and the checkpoint to resume from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from lipsync.errors import CheckpointError, ConfigError
from lipsync.training.weights import check_same_run

log = logging.getLogger(__name__)

_RESULTS = (
    *("checkpoints", "csv", "tensorboard", "pictures", "wandb"),
    *("test.json", "test_untrained.json"),
)


def move_earlier_run(output: Path) -> None:
    """Move the results of an earlier run in ``output`` to ``output/earlier-N``."""
    results = [output / name for name in _RESULTS if (output / name).exists()]
    if not results:
        return
    numbers = [path.name.removeprefix("earlier-") for path in output.glob("earlier-*")]
    number = 1 + max((int(text) for text in numbers if text.isdecimal()), default=0)
    target = output / f"earlier-{number}"
    target.mkdir()
    for path in results:
        path.replace(target / path.name)
    log.info("an earlier run in %s was moved to %s", output, target.name)


def resume_path(ckpt_path: str | None, output: Path) -> Path | None:
    """Path of the checkpoint to resume from; None trains from scratch.

    Raises:
        ConfigError: the checkpoint does not exist.
    """
    if ckpt_path is None:
        return None
    path = output / "checkpoints" / "last.ckpt" if ckpt_path == "last" else Path(ckpt_path)
    if not path.is_file():
        raise ConfigError(f"ckpt_path={ckpt_path}: no checkpoint {path} to resume from")
    return path


def check_resume(path: Path, about: dict[str, Any], batches_per_epoch: int) -> None:
    """Raise CheckpointError unless a run of the networks ``about`` can resume from ``path``.

    Epochs must have the same length, since Lightning's progress is counted in epochs. The file is
    memory-mapped, so this is fast and can run before any data are read.
    """
    try:
        saved = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # the unpickler can raise anything
        problem, remedy = "is damaged, cut short, or not a checkpoint", "name another one"
        raise CheckpointError(path, problem, remedy) from error
    if not isinstance(saved, dict) or "lipsync" not in saved:
        problem = "holds weights only, without the training state needed to resume"
        raise CheckpointError(
            path, problem, "start a new run from its weights with model.init_from"
        )
    check_same_run(saved["lipsync"], about)
    done = saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"]
    then = done // (saved["epoch"] + 1)
    if then != batches_per_epoch:
        raise CheckpointError(
            path,
            f"that run validates every {then} batches, this one every {batches_per_epoch}",
            f"set trainer.val_every={then} and trainer.batches to a multiple of it",
        )


def keep_best(states: dict[str, Any], folder: Path) -> None:
    """Keep the best score of a run whose folder was moved; Lightning would drop it.

    Args:
        states: callback states from a checkpoint; changed in place.
        folder: the run's current checkpoint folder.
    """
    for state in states.values():
        if isinstance(state, dict) and state.get("dirpath"):
            old, state["dirpath"] = state["dirpath"], str(folder)
            for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
                state[name] = state[name].replace(old, str(folder), 1)
            kept = state["best_k_models"].items()
            state["best_k_models"] = {p.replace(old, str(folder), 1): v for p, v in kept}
