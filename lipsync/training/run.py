"""One training run, from a composed configuration to the number that a sweep optimises."""

from __future__ import annotations

import json
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue
from pytorch_lightning.utilities import rank_zero_only

from lipsync.errors import ConfigError, LipsyncError
from lipsync.training.ema import MovingAverage
from lipsync.training.weights import WholeCheckpoints

WHOLE_NUMBERS = {
    "gpus": 0,
    "nodes": 1,
    "processes": 1,
    "batches": 1,
    "val_every": 1,
    "accumulate": 1,
}
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")

log = logging.getLogger(__name__)


def run(config: DictConfig) -> float:
    """Train as ``config`` says; returns the best value of what the checkpoint callback monitors.

    Raises:
        ConfigError: options that cannot work; before any data is read where that can be known.
    """
    settings = config.trainer
    check_settings(settings)
    check_devices(settings.gpus)
    epochs, per_epoch = split_batches(settings.batches, settings.val_every)
    _quieten()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    output = Path(HydraConfig.get().runtime.output_dir)
    checkpoint = _resume_path(config.ckpt_path, output)
    if checkpoint is None and rank_zero_only.rank == 0:
        set_aside(output)

    pl.seed_everything(config.seed, workers=True, verbose=False)
    module, data = load_parts(config, per_epoch)
    if settings.compile:
        for network in module.children():
            if hasattr(network, "config"):  # metrics stay as they are
                network.compile()
    callbacks = _build_all(config.callbacks)
    if settings.ema is not None:
        callbacks.append(MovingAverage(settings.ema))
    # Each network's step leaves the other's parameters without a gradient.
    several = (settings.gpus or settings.processes) * settings.nodes > 1
    strategy = "ddp_find_unused_parameters_true" if several else "auto"
    trainer = pl.Trainer(
        accelerator="gpu" if settings.gpus else "cpu",
        devices=settings.gpus or settings.processes,
        num_nodes=settings.nodes,
        strategy=strategy,
        sync_batchnorm=settings.sync_batchnorm and strategy != "auto",
        precision=resolve_precision(settings.precision, settings.gpus > 0),
        max_epochs=epochs,
        limit_train_batches=per_epoch,
        use_distributed_sampler=False,  # the data module shares the draws out itself
        num_sanity_val_steps=0,
        inference_mode=False,  # metrics and buffers live on from one stage into the next
        log_every_n_steps=min(50, per_epoch),
        logger=_build_all(config.logger),
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        default_root_dir=output,
        enable_model_summary=False,
    )
    size = sum(p.numel() for p in module.parameters()) / 1e6
    log.info(
        "%s: %.1f M parameters, %d batches, in %s", config.name, size, settings.batches, output
    )
    for logger in trainer.loggers:
        logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))

    if config.test and checkpoint is None:
        _test(trainer, module, data, None, output / "test_untrained.json")
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    best = trainer.checkpoint_callback
    score = float(best.best_model_score)
    log.info("best %s %.4f in %s", best.monitor, score, best.best_model_path)
    if config.test:
        _test(trainer, module, data, best.best_model_path, output / "test.json")
    return score


def load_parts(config: DictConfig, batches_per_epoch: int) -> tuple[Any, Any]:
    """The LightningModule and the LightningDataModule that a configuration describes."""
    module = _build(config.model)
    return module, _build(config.data, batches_per_epoch=batches_per_epoch)


def _test(trainer: pl.Trainer, module: Any, data: Any, checkpoint: str | None, path: Path) -> None:
    """Evaluate on the test split and keep the numbers as JSON."""
    results = trainer.test(
        module, datamodule=data, ckpt_path=checkpoint, verbose=False, weights_only=True
    )
    if not trainer.is_global_zero:
        return
    path.write_text(json.dumps(results[0], indent=1) + "\n")
    for name, value in results[0].items():
        log.info("%-28s %.4f", name, value)


def check_devices(gpus: int) -> None:
    """Raise ConfigError unless ``gpus`` CUDA devices are present; cheap, and before all else."""
    found = torch.cuda.device_count()
    if gpus > found:
        raise ConfigError(
            f"trainer.gpus={gpus}: {gpus} CUDA devices asked for, {found} found; "
            f"set trainer.gpus={found} or make more visible (CUDA_VISIBLE_DEVICES)"
        )


def check_settings(settings: DictConfig) -> None:
    """Raise ConfigError for trainer options that cannot work."""
    for name, least in WHOLE_NUMBERS.items():
        if not isinstance(settings[name], int) or settings[name] < least:
            raise ConfigError(
                f"trainer.{name}={settings[name]}: must be a whole number, {least} or more"
            )
    if settings.clip is not None and settings.clip <= 0:
        raise ConfigError(f"trainer.clip={settings.clip}: must be above 0, or null")
    if settings.ema is not None and not 0 < settings.ema < 1:
        raise ConfigError(f"trainer.ema={settings.ema}: must be between 0 and 1, or null")
    if settings.precision not in PRECISIONS:
        names = ", ".join(PRECISIONS)
        raise ConfigError(f"trainer.precision={settings.precision}: must be one of {names}")
    if settings.precision == "16-mixed" and not settings.gpus:
        raise ConfigError("trainer.precision=16-mixed needs a GPU; use bf16-mixed or auto")


def split_batches(batches: int, val_every: int) -> tuple[int, int]:
    """Epochs and batches an epoch: equal epochs of at most ``val_every``, ``batches`` or just over.

    >>> split_batches(1200, 500)
    (3, 400)
    """
    epochs = math.ceil(batches / val_every)
    return epochs, math.ceil(batches / epochs)


def resolve_precision(name: str, on_gpu: bool) -> str:
    """``auto`` becomes bfloat16 where the hardware computes in it, else float32."""
    if name != "auto":
        return name
    fast = (
        torch.cuda.is_bf16_supported() if on_gpu else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    return "bf16-mixed" if fast else "32-true"


def set_aside(output: Path) -> None:
    """Move what an earlier run left in ``output`` to ``output/earlier-N``; nothing is lost."""
    names = ("checkpoints", "csv", "tensorboard", "pictures", "wandb")
    left = [output / name for name in names if (output / name).exists()]
    if not left:
        return
    number = 1 + sum(1 for _ in output.glob("earlier-*"))
    aside = output / f"earlier-{number}"
    aside.mkdir()
    for path in left:
        path.replace(aside / path.name)
    log.info("an earlier run in %s was moved to %s", output, aside.name)


def _resume_path(ckpt_path: str | None, output: Path) -> Path | None:
    if ckpt_path is None:
        return None
    path = output / "checkpoints" / "last.ckpt" if ckpt_path == "last" else Path(ckpt_path)
    if not path.is_file():
        raise ConfigError(f"ckpt_path={ckpt_path}: there is no checkpoint {path} to continue from")
    return path


def _build(part: DictConfig, **more: Any) -> Any:
    try:
        return instantiate(part, _convert_="object", **more)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key}: a value is needed, give it as an option") from None
    except InstantiationException as error:
        if isinstance(error.__cause__, LipsyncError):  # Hydra would make a page of its one line
            raise error.__cause__ from None
        raise


def _build_all(parts: DictConfig | None) -> list[Any]:
    """Loggers or callbacks; one that is set to null is left out."""
    return [instantiate(part) for part in (parts or {}).values() if part is not None]


def _quieten() -> None:
    """Keep the log to what a person acts on."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*isinstance.treespec, LeafSpec.*",
        ".*on epoch level in distributed setting.*",  # our metrics are reduced before
    ):
        warnings.filterwarnings("ignore", text)
