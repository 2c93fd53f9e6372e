"""Write networks to files: our own format, with a model card, and the published one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from lipsync import __version__
from lipsync.checkpoints.files import sha256, whole_files
from lipsync.checkpoints.loading import load_model, network_class, read_weights
from lipsync.checkpoints.official import PUBLISHED, published_network, swap_colours
from lipsync.checkpoints.origin import card_entries, for_storage
from lipsync.errors import CheckpointError


def save_model(
    model: nn.Module,
    path: str | Path,
    card: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
) -> dict[str, Any]:
    """Write weights and their model card, for :func:`load_model`.

    The card is kept twice: in the file itself and, with the file's hash, in ``<path>.json``.

    Args:
        model: a network of :mod:`lipsync.models`.
        path: the ``.safetensors`` to write.
        card: what a user should know, in plain values: data, licence, metrics, ... The
            architecture, its sizes and the parameter count are added, and what the file of the
            network's weights states about them, such as what they were trained with
            (:data:`.origin.CARRIED`).
        half: store matrices and kernels as float16, at half the size; loading gives float32.
            Vectors (biases, norms) stay float32: they are small, and some exceed the range of
            float16.

    Returns:
        The card as written beside the file.

    Raises:
        CheckpointError: a network that is not of this package, a card that is not plain values, or
            a path that cannot be written; nothing is left behind then.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(path, f"ends in {path.suffix!r}", "name a .safetensors file")
    full = {**card_entries(model), **(card or {}), **_architecture(model, path)}
    full["dtype"] = "float16" if half else "float32"
    state = {name: for_storage(value, half) for name, value in model.state_dict().items()}
    return _write(path, state, full)


def save_card(source: str | Path, output: str | Path, more: Mapping[str, Any]) -> dict[str, Any]:
    """Write the weights of a file with entries added to, or replaced in, their card.

    Args:
        source: as for :func:`load_model`; a ``.safetensors`` keeps its weights as stored.
        output: the ``.safetensors`` to write, which may be ``source``.
        more: the entries, plain values.

    Returns:
        The card as written beside the file.

    Raises:
        CheckpointError: as for :func:`load_model` and :func:`save_model`.
    """
    weights = read_weights(source)
    if weights.format != "safetensors":
        model = load_model(source)
        return save_model(model, output, {**model.card, **more})
    return _write(Path(output), weights.state, {**weights.card, **more})


def _write(path: Path, state: dict[str, Tensor], card: dict[str, Any]) -> dict[str, Any]:
    try:
        text = json.dumps(card, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(path, f"its card must hold plain values only ({error})") from error
    beside = path.with_name(path.name + ".json")
    with whole_files(path, beside) as (weights, about):
        # as bytes: the library's save_file makes the file unreadable for other users
        weights.write_bytes(save(state, metadata={"format": "pt", "lipsync": text}))
        full = card | {"sha256": sha256(weights)}
        about.write_text(json.dumps(full, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return full


def export_official(model: nn.Module, path: str | Path) -> None:
    """Write the published format, for programs that read official weights (BGR pixels).

    Raises:
        CheckpointError: a network that was never published, or not at this size; a path that
            cannot be written.
    """
    path, name = Path(path), _architecture(model, Path(path))["class"]
    if name not in PUBLISHED:
        known = ", ".join(PUBLISHED)
        raise CheckpointError(path, f"a {name} has no published format", f"only {known} have one")
    state = swap_colours(name, model.state_dict())
    for key, value in published_network(name).state_dict().items():
        if key not in state or state[key].shape != value.shape:
            raise CheckpointError(
                path,
                f"the published format has a fixed size, but this {name} has {model.config}",
                "save it as .safetensors",
            )
    state = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    # SyncNet v2's readers expect a bare state dict, Wav2Lip's a "state_dict" entry
    content = state if name == "SyncNetV2" else {"state_dict": state}
    with whole_files(path) as (file,):
        torch.save(content, file)


def _architecture(model: nn.Module, path: Path) -> dict[str, Any]:
    name = type(model).__name__
    if network_class(name) is not type(model):
        raise CheckpointError(
            path, f"{name} is not a network of lipsync.models", "save the network that it contains"
        )
    return {
        "class": name,
        "config": dict(model.config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "lipsync_version": __version__,
    }
