"""Export of networks: ONNX, the published format, or the package's own."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lipsync.checkpoints import export_official, load_model, push_to_hub, save_model
from lipsync.checkpoints.files import whole_files
from lipsync.checkpoints.hub import SCHEME, endpoint
from lipsync.checkpoints.origin import merge_origins, trained_with
from lipsync.errors import CheckpointError, ConfigError, differences
from lipsync.models import (
    FaceGenerator,
    LipGANDiscriminator,
    Network,
    QualityDiscriminator,
    SyncNet,
    SyncNetV2,
)
from lipsync.models.sound import sound_shape
from lipsync.options import read_options_file

OPSET = 17


def export(
    model: str | Path,
    output: str | Path,
    *,
    mix: str | Path | None = None,
    share: float = 0.5,
    card: str | Path | None = None,
) -> str:
    """Write a model in the format given by ``output``; returns a one-line summary.

    Args:
        model: anything that :func:`lipsync.checkpoints.load_model` accepts.
        output: ``.onnx``, ``.safetensors``, or ``.pth`` for the published format; or a repository
            on the hub, ``hf://org/repo``, see :func:`lipsync.checkpoints.push_to_hub`.
        mix: another model, one of the two fine-tuned from the other; writes an interpolation.
        share: share of ``mix`` in the interpolation, 0 to 1; see :func:`interpolate_networks`.
        card: YAML file with the model card (name, data, licence, metrics, limits, ...), stored in a
            ``.safetensors`` or shown on the page of a repository.

    Raises:
        CheckpointError: a model that cannot be read, or cannot be written in this format.
        ConfigError: an unknown suffix, networks that cannot be mixed, an invalid share, or a card
            that is not YAML or that the format cannot hold.
    """
    uploads, path = str(output).startswith(SCHEME), Path(output)
    writers: dict[str, Callable[..., Any]] = {
        ".onnx": export_onnx,
        ".safetensors": save_model,
        ".pth": export_official,
    }
    if not uploads and path.suffix not in writers:
        known = f"{', '.join(writers)}, by the file's suffix, or {SCHEME}org/repo"
        raise ConfigError(f"{output}: the suffix must be one of {known}")
    if card is not None and not uploads and path.suffix != ".safetensors":
        raise ConfigError(
            f"{output}: a card can be written to .safetensors and {SCHEME}org/repo only"
        )
    options = {} if card is None else {"card": read_options_file(card)}
    if uploads and mix is None:
        return _describe_upload(push_to_hub(model, str(output), **options))
    network = load_model(model, convert=True)
    if mix is not None:
        network = interpolate_networks(network, load_model(mix, convert=True), share)
    if uploads:
        return _describe_upload(push_to_hub(network, str(output), **options))
    writers[path.suffix](network, path, **options)
    return f"{path}: {type(network).__name__}, {path.stat().st_size / 1e6:.1f} MB"


def _describe_upload(address: str) -> str:
    page = f"{endpoint()}/{address.removeprefix(SCHEME).partition('@')[0]}"
    return (
        f"{address}: uploaded; a new repository is private until you publish it in the settings "
        f"of {page}"
    )


def interpolate_networks(first: Network, second: Network, share: float) -> Network:
    """Interpolate the weights of two networks (Deep Network Interpolation, Wang et al. 2019).

    For example, of a generator before and after training with a discriminator.

    Args:
        first, second: networks of the same class and config, one fine-tuned from the other;
            between networks trained from different initialisations there is nothing useful.
        share: share of ``second``: 0 gives ``first``, 1 ``second``.

    Raises:
        ConfigError: networks that differ in class or config, or a share outside [0, 1].
    """
    only = "only networks of the same kind and size can be mixed"
    if type(first) is not type(second):
        raise ConfigError(f"{only}, got {type(first).__name__} and {type(second).__name__}")
    if first.config != second.config:
        found = differences(first.config, second.config, ("in the first", "in the second"))
        raise ConfigError(f"{only}, got {type(first).__name__} with {found}")
    if not 0 <= share <= 1:
        raise ConfigError(f"share must be in [0, 1], got {share}")
    between, other = copy.deepcopy(first), second.state_dict()
    for name, value in between.state_dict().items():
        if value.is_floating_point():
            value.lerp_(other[name], share)
    record = merge_origins(trained_with(first), trained_with(second))
    between.card = {} if record is None else {"frozen": record}
    return between


def export_onnx(model: nn.Module, path: str | Path) -> None:
    """Write a network of :mod:`lipsync.models` as ONNX, in eval mode, with a dynamic batch size.

    Inputs and outputs are those of the network's ``forward`` (RGB pixels), without a time
    dimension; norm layers are folded into the convolutions. The metadata holds class and config.

    Raises:
        CheckpointError: the file cannot be written, or the package ``onnx`` is not installed.
    """
    path = Path(path)
    try:
        import onnx
    except ImportError as error:
        raise CheckpointError(path, "ONNX export needs a package", "pip install onnx") from error
    inputs, outputs = _interface(model)
    example = tuple(torch.zeros(2, *shape) for shape in inputs.values())
    mode, device = model.training, next(model.parameters()).device
    with whole_files(path) as (file,):
        try:
            # the legacy exporter, as the newer one also needs onnxscript
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    model.cpu().eval(),
                    example,
                    str(file),
                    input_names=[*inputs],
                    output_names=outputs,
                    dynamic_axes={name: {0: "batch"} for name in [*inputs, *outputs]},
                    opset_version=OPSET,
                    dynamo=False,
                )
        finally:
            model.to(device).train(mode)
        graph = onnx.load(str(file))
        about = {"class": type(model).__name__, "config": model.config, "pixels": "RGB"}
        onnx.helper.set_model_props(graph, {"lipsync": json.dumps(about)})
        onnx.save(graph, str(file))


def _interface(model: nn.Module) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Names and shapes (without batch) of a network's inputs, and names of its outputs."""
    config = getattr(model, "config", {})
    size, window = config.get("image_size", 0), config.get("window", 0)
    references = config.get("references", 1)
    if isinstance(model, QualityDiscriminator):
        return {"faces": (3, size, size)}, ["probability"]
    shapes = {
        FaceGenerator: ((3 + 3 * references, size, size), ["generated"]),
        SyncNet: ((3 * window, size // 2, size), ["audio", "face"]),
        SyncNetV2: ((3, window, size, size), ["audio", "face"]),
        LipGANDiscriminator: ((3, size, size), ["distance"]),
    }
    for kind, (faces, outputs) in shapes.items():
        if isinstance(model, kind):
            sound = config["feature"]
            return {sound["name"]: sound_shape(sound), "faces": faces}, outputs
    raise ConfigError(f"{type(model).__name__} cannot be exported to ONNX")
