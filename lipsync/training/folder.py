"""A run's output folder: its config, results of earlier runs, the checkpoint to resume from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only

from lipsync.errors import CheckpointError, ConfigError
from lipsync.run_log import open_run_logs
from lipsync.training.weights import check_same_run

log = logging.getLogger(__name__)

CONFIGS = ".hydra"
"""Subfolder of the composed config, as Hydra itself would call it."""
_RESULTS = (
    *("checkpoints", "csv", "tensorboard", "pictures", "wandb", "profile"),
    *("test.json", "test_untrained.json", CONFIGS),
)
_LOGS = "train*.log"  # of all processes


def begin_run(output: Path, config: DictConfig, resumes: bool) -> None:
    """Write the config to the output folder and open the log there.

    Hydra would do both before the options are checked, and a refused run would overwrite the files
    of an earlier one.

    Args:
        output: folder of the run. What an earlier run left in it is moved to ``earlier-N``.
        config: composed config.
        resumes: whether this run continues the one in that folder. Its config is then kept, or
            moved to ``.hydra/before-N`` if the options have changed.
    """
    if rank_zero_only.rank == 0:
        output.mkdir(parents=True, exist_ok=True)
        if not resumes:
            move_earlier_run(output)
        _write_config(output / CONFIGS, config)
    open_run_logs()


def move_earlier_run(output: Path) -> None:
    """Move the files of an earlier run in ``output`` to ``output/earlier-N``."""
    files = [output / name for name in _RESULTS if (output / name).exists()]
    files += output.glob(_LOGS)
    if files:
        target = _move(files, output, "earlier")
        log.info("an earlier run in %s was moved to %s", output, target.name)


def _move(files: list[Path], folder: Path, name: str) -> Path:
    """Move files to the next free ``folder/<name>-N``, and return it."""
    numbers = [path.name.removeprefix(f"{name}-") for path in folder.glob(f"{name}-*")]
    number = 1 + max((int(text) for text in numbers if text.isdecimal()), default=0)
    target = folder / f"{name}-{number}"
    target.mkdir()
    for path in files:
        path.replace(target / path.name)
    return target


def _write_config(folder: Path, config: DictConfig) -> None:
    """Write the files that Hydra would write."""
    file = folder / "config.yaml"
    if file.is_file():
        if _options(OmegaConf.load(file)) == _options(config):
            return
        _move(list(folder.glob("*.yaml")), folder, "before")
    folder.mkdir(exist_ok=True)
    hydra = HydraConfig.instance().cfg
    OmegaConf.save(config, file)
    OmegaConf.save(hydra, folder / "hydra.yaml")
    OmegaConf.save(hydra.hydra.overrides.task, folder / "overrides.yaml")


def _options(config: Any) -> dict[str, Any]:
    """All options but ``ckpt_path``, which every resumed run has."""
    return {**OmegaConf.to_container(config), "ckpt_path": None}


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


def batches_done(path: Path) -> int:
    """Training batches of the run that wrote a checkpoint, which :func:`check_resume` accepts."""
    saved = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    return saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"]


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
