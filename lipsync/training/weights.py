"""Weights that training begins from, and checkpoints that it leaves."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import nn

from lipsync.checkpoints import load_model
from lipsync.checkpoints.origin import trained_with
from lipsync.errors import CheckpointError, TrainingError
from lipsync.models.growth import grows, sizes_of

log = logging.getLogger(__name__)

_SIZES = {"image_size", "grown_from"}


def architecture(network: nn.Module, prefix: str) -> dict[str, Any]:
    """What a checkpoint tells ``load_model`` of the network under ``prefix`` in its state dict."""
    return {"class": type(network).__name__, "config": dict(network.config), "prefix": prefix}


def start_from(network: nn.Module, source: str | Path, part: str) -> dict[str, list[str]] | None:
    """Give a network that is about to be trained the weights of a file.

    Returns what trained them, see :func:`lipsync.checkpoints.origin.trained_with`. The weights may
    be those of a smaller network that the network has grown from: its outer stages stay new.

    Args:
        network: a network of :mod:`lipsync.models`.
        source: what :func:`lipsync.checkpoints.load_model` takes.
        part: ``generator``, ``discriminator`` or ``expert``: where the network stands in the
            options, and which network of a training checkpoint is meant.

    Raises:
        CheckpointError: a file that cannot be read, or that holds another network or other sizes;
            then it says which options would fit.
    """
    given = load_model(source, part="discriminator" if part == "discriminator" else None)
    found, wanted = type(given).__name__, type(network).__name__
    if found != wanted:
        raise CheckpointError(source, f"holds a {found}, but this training needs a {wanted}")
    other = {key: value for key, value in given.config.items() if network.config[key] != value}
    if "feature" in other:
        there, here = given.config["feature"], network.config["feature"]
        if there | {"lead": here["lead"]} == here:  # no size: training can change it
            told = "%s was trained with model.%s.feature.lead=%s, this run is not"
            log.info(told, source, part, there["lead"])
            del other["feature"]
    grown = "grown_from" in network.config and grows(given.config, network.config)
    if grown:  # around the given network
        other = {key: value for key, value in other.items() if key not in _SIZES}
    if other:
        there = ", ".join(f"{key} {value}" for key, value in other.items())
        here = ", ".join(f"{key} {network.config[key]}" for key in other)
        remedy = " ".join(f"{_option(part, key)}={_written(v)}" for key, v in other.items())
        smaller = given.config.get("image_size", 0) < network.config.get("image_size", 0)
        if smaller and other.keys() <= _SIZES and "grown_from" in network.config:
            sizes = _written(sizes_of(given.config))
            remedy += f", or model.{part}.grown_from={sizes} to let it grow"
        raise CheckpointError(
            source, f"is a {found} of {there}, but this training builds {here}", f"give {remedy}"
        )
    kept = network.state_dict() if grown else {}
    network.load_state_dict({**kept, **given.state_dict()})
    log.info("initialised from %s%s", source, ", outer stages new" if grown else "")
    return trained_with(given)


def _written(value: Any) -> str:
    """A value as an option of the command line has it."""
    return str(value).replace(" ", "")


def _option(part: str, key: str) -> str:
    return f"data.{key}" if key in ("image_size", "framing") else f"model.{part}.{key}"


def check_same_run(checkpoint: dict[str, Any], run: dict[str, Any]) -> None:
    """Raise CheckpointError where training would go on as something else than it began.

    Args:
        checkpoint: what a checkpoint says of the networks in it (``lipsync``).
        run: the same of this run.
    """
    for part in sorted({*checkpoint, *run}):
        then, now = checkpoint.get(part), run.get(part)
        if then != now:
            raise CheckpointError(
                "ckpt_path",
                f"that run used another {part}: {_shown(then)}, this one {_shown(now)}",
                "repeat the options of that run, or leave out ckpt_path to start over",
            )


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)[:200]


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or absent: written beside their place, then moved there."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        path = Path(path)
        part = path.with_name(f".{path.name}.part")  # what a kill leaves, the next one replaces
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(checkpoint, part)
            part.replace(path)
        except (OSError, RuntimeError) as error:
            part.unlink(missing_ok=True)
            remedy = "free some space and resume with ckpt_path=last"
            raise TrainingError(path, f"cannot be written ({error})", remedy) from error
