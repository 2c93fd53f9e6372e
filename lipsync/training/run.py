"""One training run, from a composed config to the score that a sweep optimises."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.profilers import (
    AdvancedProfiler,
    Profiler,
    PyTorchProfiler,
    SimpleProfiler,
)
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lipsync.build import build, explain_keyword
from lipsync.data.datasets import Windows
from lipsync.errors import ConfigError, LipsyncError, check_whole
from lipsync.plugins import import_plugins
from lipsync.training.compiling import compile_network
from lipsync.training.ema import MovingAverage
from lipsync.training.folder import batches_done, begin_run, check_resume, resume_path
from lipsync.training.precision import trainer_precision
from lipsync.training.processes import processes_of
from lipsync.training.recomputing import recompute_stages
from lipsync.training.settings import (
    check_settings,
    resolve_precision,
    split_batches,
)
from lipsync.training.tracking import finish_wandb, keep_wandb_id, make_loggers
from lipsync.training.weights import WholeCheckpoints

log = logging.getLogger(__name__)

_FROM_WORKER = r"in DataLoader worker.*\nlipsync\.errors\.\w+: (.+)"


def run(config: DictConfig) -> float:
    """Train according to ``config``; returns the best value of the monitored metric.

    Raises:
        ConfigError: invalid options, where possible before any data is read.
    """
    settings = config.trainer
    check_settings(settings)
    check_whole("seed", config.seed, 0, 2**32 - 1)
    if config.callbacks.get("best") is None:
        raise ConfigError("callbacks.best=null: must be set, as a run keeps its best checkpoint")
    epochs, per_epoch = split_batches(settings.batches, settings.val_every, settings.accumulate)
    _quieten()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    output = Path(HydraConfig.get().runtime.output_dir)
    checkpoint = resume_path(config.ckpt_path, output)

    pl.seed_everything(config.seed, workers=True, verbose=False)
    module, data = load_parts(config, per_epoch, checkpoint)
    if issubclass(data.make_train.func, Windows):  # voice conversion needs no lists
        data.check_splits(["train", "val", *(["test"] if config.test else [])])
    module.schedule_batches = settings.schedule_batches
    resumes_here = (
        checkpoint is not None and checkpoint.resolve().parent == (output / "checkpoints").resolve()
    )
    complete = ConfigError(
        f"ckpt_path={config.ckpt_path}: that run is complete; raise trainer.batches to continue it"
    )
    planned = epochs * per_epoch
    if checkpoint is not None and not resumes_here and batches_done(checkpoint) >= planned:
        raise complete
    for network in module.networks():
        if settings.recompute:
            recompute_stages(network)
        if settings.compile:
            compile_network(network)
    callbacks = [build(part) for part in config.callbacks.values() if part is not None]
    if settings.ema is not None:
        callbacks.append(MovingAverage(settings.ema))
    precision, plugins = trainer_precision(resolve_precision(settings.precision, settings.gpus > 0))
    loggers = make_loggers(config.logger, output, resumes_here)
    begin_run(output, config, resumes_here)
    keep_wandb_id(loggers, output)
    # Each network's step leaves the other's parameters without gradients.
    several = (settings.gpus or settings.processes) * settings.nodes > 1
    strategy = "ddp_find_unused_parameters_true" if several else "auto"
    trainer = pl.Trainer(
        accelerator="gpu" if settings.gpus else "cpu",
        devices=settings.gpus or settings.processes,
        num_nodes=settings.nodes,
        strategy=strategy,
        sync_batchnorm=settings.sync_batchnorm and strategy != "auto",
        max_epochs=epochs,
        limit_train_batches=per_epoch,
        use_distributed_sampler=False,  # the data module splits samples between processes itself
        num_sanity_val_steps=0,
        inference_mode=False,  # metrics and buffers are reused between stages
        log_every_n_steps=min(50, per_epoch),
        logger=loggers,
        callbacks=callbacks,
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        plugins=[WholeCheckpoints(), *plugins],
        precision=precision,
        profiler=make_profiler(settings.profiler, output / "profile"),
        default_root_dir=output,
        enable_model_summary=False,
    )
    size = sum(p.numel() for p in module.parameters()) / 1e6
    log.info(
        "%s: %.1f M parameters, %d batches, in %s", config.name, size, settings.batches, output
    )

    with (
        finish_wandb(loggers),
        processes_of(trainer),
        _shorten_errors(config),
        _exit_on_signals(trainer),
    ):
        for logger in loggers:
            logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))
        untrained = output / "test_untrained.json"
        if config.test and checkpoint is None:
            log.info("testing the network before training, for comparison at the end")
            _test(trainer, module, data, None, untrained)
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        best = trainer.checkpoint_callback
        if best.best_model_score is None:
            raise complete
        score = float(best.best_model_score)
        log.info("best %s %.4f in %s", best.monitor, score, best.best_model_path)
        if config.test:
            _test(trainer, module, data, best.best_model_path, output / "test.json")
            if trainer.is_global_zero:
                show_test(output / "test.json", untrained)
    return score


def make_profiler(name: str | None, folder: Path) -> Profiler | None:
    """A Lightning profiler that writes its report to a folder."""
    if name is None:
        return None
    kind = {"simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler}[
        name
    ]
    return kind(dirpath=folder, filename=name)


def load_parts(
    config: DictConfig, batches_per_epoch: int, checkpoint: Path | None = None
) -> tuple[Any, Any]:
    """Build the LightningModule and the LightningDataModule of a config.

    Args:
        config: composed config.
        batches_per_epoch: training batches between validations.
        checkpoint: checkpoint to resume from.

    Raises:
        LipsyncError: networks that cannot be built, or do not fit each other or the checkpoint;
            raised before any data is read.
    """
    import_plugins(config.plugins, "plugins")
    module = build(config.model)
    if checkpoint is not None:
        check_resume(checkpoint, module.about(), batches_per_epoch)
    data = build(config.data, batches_per_epoch=batches_per_epoch)
    check_whole("data.train.windows", data.make_train.keywords.get("windows", 1), 1)
    return module, data


def _test(trainer: pl.Trainer, module: Any, data: Any, checkpoint: str | None, path: Path) -> None:
    """Evaluate on the test split and write the metrics as JSON."""
    results = trainer.test(
        module, datamodule=data, ckpt_path=checkpoint, verbose=False, weights_only=True
    )
    if trainer.is_global_zero:
        path.write_text(json.dumps(results[0], indent=1) + "\n")


def show_test(path: Path, untrained: Path) -> None:
    """Log the test metrics, next to those before training if known."""
    trained = json.loads(path.read_text())
    before = json.loads(untrained.read_text()) if untrained.is_file() else {}
    log.info("%-32s %9s %9s", "test split", "trained", "untrained" if before else "")
    for name, value in trained.items():
        then = f"{before[name]:9.4f}" if name in before else ""
        log.info("%-32s %9.4f %s", name, value, then)


@contextmanager
def _shorten_errors(config: DictConfig) -> Iterator[None]:
    """Turn the traceback that PyTorch raises for a LipsyncError in a worker back into one line.

    The same for arguments that a dataset or optimiser refuses when it is made.
    """
    try:
        yield
    except TypeError as error:
        if unknown := explain_keyword(error, config):
            raise ConfigError(unknown) from error
        raise
    except (LipsyncError, RuntimeError) as error:
        found = re.search(_FROM_WORKER, str(error), re.DOTALL)
        if found is None:
            raise
        raise LipsyncError(found[1].strip()) from error


@contextmanager
def _exit_on_signals(trainer: pl.Trainer) -> Iterator[None]:
    """Exit with the code of the signal that stopped training, which Lightning discards."""
    try:
        yield
    except SIGTERMException:
        print("terminated; ckpt_path=last resumes from the last validation", file=sys.stderr)
        sys.exit(128 + signal.SIGTERM)
    except SystemExit as error:
        if error.code == 1 and trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


def _quieten() -> None:
    """Silence warnings that need no action, and the log of all processes but the first."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    if rank_zero_only.rank:
        logging.getLogger("lipsync").setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*exists and is not empty.*",  # when resuming
        ".*`lr_scheduler.step..` before `optimizer.step.*",  # with gradient accumulation
        ".*isinstance.treespec, LeafSpec.*",
        ".*on epoch level in distributed setting.*",  # our metrics are already reduced
    ):
        warnings.filterwarnings("ignore", text)
