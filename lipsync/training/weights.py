"""Initial weights, compatibility checks and checkpoint writing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import nn

from lipsync.checkpoints import load_model
from lipsync.checkpoints.origin import trained_with
from lipsync.errors import CheckpointError, TrainingError, differences
from lipsync.models.growth import can_grow, sizes_of

log = logging.getLogger(__name__)

_SIZES = {"image_size", "grown_from"}


def architecture(network: nn.Module, prefix: str) -> dict[str, Any]:
    """Checkpoint entry from which ``load_model`` rebuilds the network stored under ``prefix``."""
    return {"class": type(network).__name__, "config": dict(network.config), "prefix": prefix}


def start_from(network: nn.Module, source: str | Path, part: str) -> dict[str, list[str]] | None:
    """Initialise a network from the weights in a file.

    The weights may belong to a smaller network that this one grows from; its outer stages then keep
    their initialisation.

    Args:
        network: a network of :mod:`lipsync.models`.
        source: anything that :func:`lipsync.checkpoints.load_model` accepts.
        part: ``generator``, ``discriminator`` or ``expert``: the network's name in the config, and
            which network of a training checkpoint to load.

    Returns:
        Origin of the weights, see :func:`lipsync.checkpoints.origin.trained_with`.

    Raises:
        CheckpointError: an unreadable file, or one with another network or other sizes; the message
            then names the options that fit.
    """
    source_network = load_model(source, part="discriminator" if part == "discriminator" else None)
    found, wanted = type(source_network).__name__, type(network).__name__
    if found != wanted:
        raise CheckpointError(source, f"holds a {found}, but this training needs a {wanted}")
    other = {
        key: value for key, value in source_network.config.items() if network.config[key] != value
    }
    if "feature" in other:
        there, here = source_network.config["feature"], network.config["feature"]
        if there | {"lead": here["lead"]} == here:  # lead does not affect sizes: can be retrained
            message = "%s was trained with model.%s.feature.lead=%s, this run is not"
            log.info(message, source, part, there["lead"])
            del other["feature"]
    grown = "grown_from" in network.config and can_grow(source_network.config, network.config)
    if grown:
        other = {key: value for key, value in other.items() if key not in _SIZES}
    if other:
        there = ", ".join(f"{key} {value}" for key, value in other.items())
        here = ", ".join(f"{key} {network.config[key]}" for key in other)
        remedy = " ".join(f"{_option(part, key)}={_cli_value(v)}" for key, v in other.items())
        smaller = source_network.config.get("image_size", 0) < network.config.get("image_size", 0)
        if smaller and other.keys() <= _SIZES and "grown_from" in network.config:
            sizes = _cli_value(sizes_of(source_network.config))
            remedy += f", or model.{part}.grown_from={sizes} to let it grow"
        raise CheckpointError(
            source, f"is a {found} of {there}, but this training builds {here}", f"give {remedy}"
        )
    kept = network.state_dict() if grown else {}
    network.load_state_dict({**kept, **source_network.state_dict()})
    log.info("initialised from %s%s", source, ", outer stages new" if grown else "")
    return trained_with(source_network)


def _cli_value(value: Any) -> str:
    """A value in command-line syntax."""
    return str(value).replace(" ", "")


def _option(part: str, key: str) -> str:
    return f"data.{key}" if key in ("image_size", "framing") else f"model.{part}.{key}"


def check_same_run(checkpoint: dict[str, Any], run: dict[str, Any]) -> None:
    """Raise CheckpointError if a checkpoint's networks differ from those of this run.

    Args:
        checkpoint: the checkpoint's description of its networks (entry ``lipsync``).
        run: the same for this run.
    """
    for part in sorted({*checkpoint, *run}):
        then, now = checkpoint.get(part), run.get(part)
        if then != now:
            raise CheckpointError(
                "ckpt_path",
                f"that run used another {part}: {differences(then, now)}",
                "repeat the options of that run, or leave out ckpt_path to start over",
            )


class WholeCheckpoints(TorchCheckpointIO):
    """Write checkpoints atomically: to a temporary file, which is then renamed."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        path = Path(path)
        part = path.with_name(f".{path.name}.part")  # a leftover is overwritten next time
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(checkpoint, part)
            part.replace(path)
        except (OSError, RuntimeError) as error:
            part.unlink(missing_ok=True)
            remedy = "free some space and resume with ckpt_path=last"
            raise TrainingError(path, f"cannot be written ({error})", remedy) from error
