"""Make a judge from a network or a name."""

from __future__ import annotations

from torch import nn

from lipsync.devices import to_device
from lipsync.evaluation.judge import Judge
from lipsync.models.folding import folded


def as_judge(model: Judge | nn.Module | str, device: str = "cpu") -> Judge:
    """A judge from a network, or from the path or name of one.

    Raises:
        CheckpointError: a path or name that cannot be loaded.
        ConfigError: a network that cannot judge, or an unavailable device.
    """
    if isinstance(model, Judge):
        return model
    if isinstance(model, nn.Module):
        return Judge(model)
    from lipsync.checkpoints import load_model

    judge = Judge(to_device(load_model(model), device), str(model))
    judge.network = folded(judge.model)  # safe: loaded here, so nobody trains it
    return judge
