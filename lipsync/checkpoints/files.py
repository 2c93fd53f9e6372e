"""Tensor files: read without executing code, written atomically."""

from __future__ import annotations

import hashlib
import re
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lipsync.errors import CheckpointError

# numpy scalars, which trainers leave in checkpoints; unpickling them runs no code from the file.
_scalar = np.float64(0).__reduce__()[0]
_PLAIN: list[Any] = [
    (_scalar, "numpy._core.multiarray.scalar"),  # numpy 2
    (_scalar, "numpy.core.multiarray.scalar"),  # numpy 1
    np.dtype,
    *(type(np.dtype(name)) for name in ("f2", "f4", "f8", "i4", "i8", "?")),
]


def check_is_file(path: Path) -> None:
    """Raise :class:`CheckpointError` unless ``path`` is a non-empty file."""
    if path.is_dir():
        raise CheckpointError(path, "is a folder", "name the weights file in it")
    if not path.exists():
        raise CheckpointError(path, "no such file")
    if path.stat().st_size == 0:
        raise CheckpointError(path, "is empty", "copy or download it again")


def is_safetensors(path: Path) -> bool:
    """Whether the content is safetensors, whatever the name: a length, then a JSON object."""
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{"


def read_torch(path: Path) -> Any:
    """Read a file written by :func:`torch.save`, zip or legacy: tensors and plain values only.

    Raises:
        CheckpointError: a file that is damaged, not in PyTorch's format, or needs code to be run.
    """
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_PLAIN):
            warnings.simplefilter("ignore")  # about pickle protocols and TorchScript
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # the unpickler raises all kinds
        if path.suffix.lower() == ".onnx":
            problem = "is an ONNX file, which is only written for other programs"
            raise CheckpointError(path, problem, "name the model it was exported from") from error
        raise CheckpointError(path, *_reason(str(error))) from error


def _reason(message: str) -> tuple[str, str]:
    """Problem and remedy for an error message of :func:`torch.load`."""
    if "TorchScript" in message:
        return "is a TorchScript program, which is never executed", "save its state dict instead"
    named = re.search(r"(?:GLOBAL|class|global) +([\w.]+\.[\w.]+)", message)
    if named:
        return (
            f"would execute {named[1]} on loading, so it was refused",
            "save it again with tensors and plain values only",
        )
    return "is damaged, cut short, or not a weights file", "copy or download it again"


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors into memory, and the metadata.

    Raises:
        CheckpointError: a damaged file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            # a memory-mapped tensor would change, or crash, if the file does
            state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return state, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            path, f"is damaged or cut short ({error})", "copy or download it again"
        ) from error


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(network: nn.Module | Mapping[str, Tensor]) -> str:
    """Hexadecimal SHA-256 over names, types, shapes and values of a network's weights.

    It does not depend on the file format.
    """
    digest = hashlib.sha256()
    state = network.state_dict() if isinstance(network, nn.Module) else network
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


@contextmanager
def whole_files(*paths: Path) -> Iterator[list[Path]]:
    """Temporary names beside ``paths``; renamed together, or removed if the block fails.

    Raises:
        CheckpointError: if the system refuses to write.
    """
    temporary = [path.with_name(f".{uuid.uuid4().hex[:12]}{path.suffix}") for path in paths]
    try:
        for path in paths:
            if path.is_dir():
                raise CheckpointError(path, "is a folder", "name a file to write")
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        for made, path in zip(temporary, paths, strict=True):
            made.replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch.save raises RuntimeError
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(
            paths[0], f"cannot be written ({reason})", "check the folder"
        ) from error
    finally:
        for made in temporary:
            with suppress(OSError):  # it may never have been created
                made.unlink()
