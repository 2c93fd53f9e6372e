"""Weights that training begins from, and what it says of those that it leaves."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from torch import nn

from lipsync.checkpoints import load_model
from lipsync.errors import CheckpointError

log = logging.getLogger(__name__)


def architecture(network: nn.Module, prefix: str) -> dict[str, Any]:
    """What a checkpoint tells ``load_model`` of the network under ``prefix`` in its state dict."""
    return {"class": type(network).__name__, "config": dict(network.config), "prefix": prefix}


def start_from(network: nn.Module, source: str | Path, part: str) -> None:
    """Give a network that is about to be trained the weights of a file.

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
        raise CheckpointError(source, f"holds a {found}, training begins from a {wanted}")
    other = {key: value for key, value in given.config.items() if network.config[key] != value}
    if (lead := other.pop("mel_lead", None)) is not None:  # no size: training can change it
        log.info("%s was trained with model.%s.mel_lead=%s, this run is not", source, part, lead)
    if other:
        there = ", ".join(f"{key} {value}" for key, value in other.items())
        here = ", ".join(f"{key} {network.config[key]}" for key in other)
        remedy = " ".join(f"{_option(part, key)}={value}" for key, value in other.items())
        raise CheckpointError(
            source, f"is a {found} of {there}, training would build {here}", f"give {remedy}"
        )
    network.load_state_dict(given.state_dict())
    log.info("training begins from %s", source)


def _option(part: str, key: str) -> str:
    return "data.image_size" if key == "image_size" else f"model.{part}.{key}"
