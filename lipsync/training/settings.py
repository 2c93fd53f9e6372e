"""Trainer options: validation, and the values derived from them."""

from __future__ import annotations

import math

import torch
from omegaconf import DictConfig

from lipsync.errors import ConfigError, check_whole
from lipsync.models.inference import fastest_dtype

WHOLE_NUMBERS = {
    "gpus": 0,
    "nodes": 1,
    "processes": 1,
    "batches": 1,
    "val_every": 1,
    "accumulate": 1,
}
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
PROFILERS = (None, "simple", "advanced", "pytorch")


def check_settings(settings: DictConfig) -> None:
    """Raise ConfigError for options that are invalid, conflict, or are unsupported here."""
    for name, least in WHOLE_NUMBERS.items():
        check_whole(f"trainer.{name}", settings[name], least)
    if settings.schedule_batches is not None:
        check_whole("trainer.schedule_batches", settings.schedule_batches, 1)
    for name in ("clip", "ema", "threads"):
        value = settings[name]
        if not isinstance(value, (int, float, type(None))) or isinstance(value, bool):
            raise ConfigError(f"trainer.{name}={settings[name]}: must be a number, or null")
    if settings.threads is not None and settings.threads not in range(1, 10_000):
        raise ConfigError(f"trainer.threads={settings.threads}: must be 1 or more, or null")
    if settings.clip is not None and not 0 < settings.clip < math.inf:
        raise ConfigError(f"trainer.clip={settings.clip}: must be above 0, or null")
    if settings.ema is not None and not 0 < settings.ema < 1:
        raise ConfigError(f"trainer.ema={settings.ema}: must be between 0 and 1, or null")
    if settings.precision not in PRECISIONS:
        names = ", ".join(PRECISIONS)
        raise ConfigError(f"trainer.precision={settings.precision}: must be one of {names}")
    if settings.profiler not in PROFILERS:
        names = ", ".join(filter(None, PROFILERS))
        raise ConfigError(f"trainer.profiler={settings.profiler}: must be null or one of {names}")
    if settings.recompute and settings.compile:
        raise ConfigError(
            "trainer.recompute=true: trainer.compile=true chooses by itself what is recomputed; "
            "leave one of them false"
        )
    check_devices(settings.gpus)
    on_gpu = settings.gpus > 0
    if settings.precision == "16-mixed" and not on_gpu:
        raise ConfigError("trainer.precision=16-mixed needs a GPU; use bf16-mixed or auto")
    if settings.precision == "bf16-mixed" and not computes_in_bfloat16(on_gpu):
        raise ConfigError(
            f"trainer.precision=bf16-mixed: this {'GPU' if on_gpu else 'processor'} does not "
            f"support bfloat16; use {'16-mixed' if on_gpu else '32-true'} or auto"
        )
    if settings.sync_batchnorm and not on_gpu and settings.processes * settings.nodes > 1:
        raise ConfigError("trainer.sync_batchnorm=true needs GPUs; leave it false on CPUs")


def check_devices(gpus: int) -> None:
    """Raise ConfigError unless ``gpus`` CUDA devices are present."""
    found = torch.cuda.device_count()
    if gpus > found:
        raise ConfigError(
            f"trainer.gpus={gpus}: {gpus} CUDA devices asked for, {found} found; "
            f"set trainer.gpus={found} or make more visible (CUDA_VISIBLE_DEVICES)"
        )


def computes_in_bfloat16(on_gpu: bool) -> bool:
    """Whether the hardware supports bfloat16 natively, so that it is no slower than float32."""
    return fastest_dtype("cuda" if on_gpu else "cpu") == torch.bfloat16


def resolve_precision(name: str, on_gpu: bool) -> str:
    """Resolve ``auto`` to bfloat16 where the hardware supports it, else to float32."""
    if name != "auto":
        return name
    return "bf16-mixed" if computes_in_bfloat16(on_gpu) else "32-true"


def split_batches(batches: int, val_every: int, accumulate: int = 1) -> tuple[int, int]:
    """Number of epochs and batches per epoch, for equal epochs of about ``val_every`` batches.

    The total is ``batches`` or slightly more. An epoch is a multiple of ``accumulate`` batches,
    since gradients are not accumulated across epochs.

    >>> split_batches(1200, 500)
    (3, 400)
    >>> split_batches(1200, 500, accumulate=3)
    (3, 402)
    """
    epochs = math.ceil(batches / val_every)
    return epochs, math.ceil(batches / epochs / accumulate) * accumulate
