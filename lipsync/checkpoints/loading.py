"""Load a network in eval mode, from a file of weights or the name of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lipsync.checkpoints.bundled import bundled_models
from lipsync.checkpoints.conversion import convert_config, is_old
from lipsync.checkpoints.files import (
    check_is_file,
    is_safetensors,
    read_safetensors,
    read_torch,
    sha256,
)
from lipsync.checkpoints.hub import SCHEME, fetch_from_hub
from lipsync.checkpoints.official import recognise, swap_colours, without_wrapping
from lipsync.checkpoints.online import ONLINE, fetch
from lipsync.errors import CheckpointError, ConfigError
from lipsync.models import Network
from lipsync.plugins import NAME_IT

_SHOWN = 3  # mismatches listed in an error message


@dataclass
class Weights:
    """The content of a file, under the package's names."""

    format: str
    model: str
    config: dict[str, Any]
    state: dict[str, Tensor]
    card: dict[str, Any] = field(default_factory=dict)
    bgr: bool = False


def load_model(
    path_or_name: str | Path,
    device: str | torch.device = "cpu",
    *,
    part: str | None = None,
    convert: bool = False,
) -> Network:
    """Load a network in eval mode, with float32 weights; its ``card`` is the model card.

    Args:
        path_or_name: an official file (Wav2Lip, Wav2Lip + GAN, lip-sync expert, visual quality
            discriminator, SyncNet v2), a checkpoint of this package's training, a
            ``.safetensors`` of :func:`save_model`, the name of a bundled model, a name in
            :mod:`lipsync.checkpoints.online`, or the address of a ``.safetensors`` on the hub,
            ``hf://org/repo[/file][@revision]``. Files are recognised by content, not by name.
        device: of the network.
        part: "discriminator" loads a training checkpoint's discriminator instead of its generator;
            ignored for files with one network.
        convert: also read old files that do not record their feature and framing.

    Raises:
        CheckpointError: one line that says what is wrong with the file, or lists the available
            names. Nothing in a file is ever executed.
    """
    with _locate(path_or_name) as path:
        return _build(path, _read(path, part), convert).to(device)


def read_weights(path_or_name: str | Path) -> Weights:
    """The content of a file, unconverted; raises the errors of :func:`load_model`."""
    with _locate(path_or_name) as path:
        return _read(path)


def describe(path_or_name: str | Path) -> dict[str, Any]:
    """Describe a file of weights in plain values: format, model, config, sizes, hash, card.

    Raises:
        CheckpointError: as :func:`load_model`; any file that can be described can be loaded.
    """
    with _locate(path_or_name) as path:
        weights = _read(path)
        network = _build(path, weights)
        return {
            "file": str(path_or_name),
            "format": weights.format,
            "model": weights.model,
            "config": dict(network.config),
            "parameters": sum(p.numel() for p in network.parameters()),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
            "card": weights.card,
        }


def network_class(name: str) -> type[Network] | None:
    """The class of a network by its name; None if unknown.

    Classes from outside the package are known once their module is imported, or by an entry point
    ``lipsync.networks`` of an installed package.
    """
    if name not in Network.kinds:
        for entry in entry_points(group="lipsync.networks", name=name):
            entry.load()
    return Network.kinds.get(name)


@contextmanager
def _locate(path_or_name: str | Path) -> Iterator[Path]:
    """The file to load; an existing file takes precedence over a model of that name."""
    path, text = Path(path_or_name), str(path_or_name)
    if text.startswith(SCHEME):
        yield fetch_from_hub(text)
        return
    is_name = isinstance(path_or_name, str) and path.name == text and not path.suffix
    if is_name and not path.exists():
        if text in ONLINE:
            yield fetch(ONLINE[text])
            return
        names = bundled_models()
        if text not in names:
            available = ", ".join(names) or "none"
            raise CheckpointError(
                text,
                f"no such file or bundled model; bundled models: {available}",
                f"fetched by name: {', '.join(ONLINE)}",
            )
        resource = resources.files("lipsync") / "weights" / f"{text}.safetensors"
        with resources.as_file(resource) as file:
            yield file
        return
    check_is_file(path)
    yield path


def _read(path: Path, part: str | None = None) -> Weights:
    try:
        if is_safetensors(path):
            return _from_safetensors(path)
        content = read_torch(path)
    except PermissionError as error:
        raise CheckpointError(path, "cannot be read (permission denied)") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(path, f"holds a {type(content).__name__}, expected a state dict")
    if "lipsync" in content or "pytorch-lightning_version" in content:
        return _from_lightning(path, content, part)
    return _from_official(path, content)


def _from_official(path: Path, content: Mapping[str, Any]) -> Weights:
    state = without_wrapping(_tensors(path, content.get("state_dict", content)))
    name = recognise(state)
    if name is None:
        some = ", ".join(list(state)[:_SHOWN]) or "nothing"
        raise CheckpointError(
            path,
            f"its {len(state)} tensors ({some}, ...) are of no known network",
            "supported: Wav2Lip, its expert and quality discriminator, and SyncNet v2",
        )
    return Weights("official", name, {}, state, bgr=True)


def _from_lightning(path: Path, content: Mapping[str, Any], part: str | None) -> Weights:
    about, state = content.get("lipsync"), content.get("state_dict")
    if not isinstance(about, Mapping) or not {"class", "config", "prefix"} <= about.keys():
        raise CheckpointError(
            path, "is a Lightning checkpoint that does not say which network it holds"
        )
    if part is not None:
        if part not in about:
            raise CheckpointError(path, f"holds no {part}", "the network was trained without one")
        about = about[part]
    prefix = str(about["prefix"])
    own = {
        name.removeprefix(prefix): value
        for name, value in _tensors(path, state).items()
        if name.startswith(prefix)
    }
    card = {key: content[key] for key in ("epoch", "global_step") if key in content}
    if "frozen" in about:
        card["frozen"] = about["frozen"]
    return Weights("training checkpoint", str(about["class"]), dict(about["config"]), own, card)


def _from_safetensors(path: Path) -> Weights:
    state, metadata = read_safetensors(path)
    try:
        card = json.loads(metadata["lipsync"])
        return Weights("safetensors", str(card["class"]), dict(card["config"]), state, card)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            path, "carries no lipsync model card", "write it with lipsync export"
        ) from error


def _tensors(path: Path, state: Any) -> dict[str, Tensor]:
    if not isinstance(state, Mapping):
        raise CheckpointError(path, "holds no state dict")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise CheckpointError(path, f"{name!r} is a {type(value).__name__}, expected a tensor")
    return dict(state)


def _build(path: Path, weights: Weights, convert: bool = False) -> Network:
    if weights.format != "official" and is_old(weights.model, weights.config):
        if not convert:
            raise CheckpointError(
                path,
                "was written by an early version that did not store feature and framing",
                f"convert it with `lipsync export {path.name} -o NEW.safetensors`",
            )
        weights.config = convert_config(path, weights.model, weights.config)
    kind = network_class(weights.model)
    if kind is None:
        known = ", ".join(sorted(Network.kinds))
        raise CheckpointError(
            path,
            f"holds a {weights.model}; known networks: {known}",
            NAME_IT,
        )
    try:
        with torch.device("meta"):  # allocate no memory for weights that will be replaced
            network = kind(**weights.config)
    except (TypeError, ConfigError) as error:
        raise CheckpointError(
            path,
            f"its config does not build a {weights.model} ({error})",
            "it may be from a later version: update lipsync",
        ) from error
    state, expected = weights.state, network.state_dict()
    for name in expected.keys() - state.keys():
        if name.endswith("num_batches_tracked"):  # not stored by PyTorch before 0.4.1
            state[name] = torch.tensor(0)
    _check_matches(path, weights, expected)
    if weights.bgr:
        state = swap_colours(weights.model, state)
    network.load_state_dict(
        {name: value.to(expected[name].dtype) for name, value in state.items()}, assign=True
    )
    network.card = dict(weights.card)
    return network.eval()


def _check_matches(path: Path, weights: Weights, expected: Mapping[str, Tensor]) -> None:
    """Raise an error that lists the first mismatches of names, shapes and values."""
    state = weights.state
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name} does not belong" for name in state if name not in expected]
    wrong += [
        f"{name} is {_shape(state[name])}, expected {_shape(value)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    sizes = ", ".join(f"{key} {value}" for key, value in weights.config.items())
    kind = f"{weights.model} ({sizes or 'published sizes'})"
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        shown = ", ".join(wrong[:_SHOWN])
        raise CheckpointError(
            path, f"does not match {kind}, the network its names suggest: {shown}{more}"
        )
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise CheckpointError(
                path,
                f"{name} of its {kind} contains NaN or infinity",
                "use a checkpoint from before it diverged",
            )


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "a number"
