"""ONNX networks provided by users, with one-line errors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from lipsync.errors import CheckpointError

KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
"""Supported input types."""
_log = logging.getLogger(__name__)


def open_onnx(path: Path, device: str, expected: str) -> onnxruntime.InferenceSession:
    """Open an ONNX file for inference.

    Args:
        path: the file.
        device: ``"cuda"`` uses the GPU if ``onnxruntime-gpu`` is installed.
        expected: what the file should be, for error messages.

    Raises:
        CheckpointError: the file does not exist, or is not ONNX.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "no such file"
        raise CheckpointError(path, problem, f"give {expected}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # spinning threads would take CPU time from the rest of the pipeline
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, "CUDAExecutionProvider")
        else:
            _log.warning("%s runs on the CPU; for a GPU: pip install onnxruntime-gpu", path)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's errors have no narrower common base
        problem = f"cannot be read as ONNX ({one_line(error)})"
        raise CheckpointError(path, problem, f"give {expected}") from None


def describe_values(values: Sequence[Any]) -> str:
    """Describe a session's inputs or outputs, such as ``input (1, 3, 512, 512) float``."""
    return ", ".join(
        f"{one.name} ({', '.join(map(str, one.shape))}) {one.type[7:-1]}" for one in values
    )


def one_line(error: Exception) -> str:
    """Shorten an error of the runtime to one line."""
    return " ".join(str(error).split())[:200]
