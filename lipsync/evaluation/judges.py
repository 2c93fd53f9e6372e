"""A judge from a network or its name, and clips embedded and scored in one call."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import Tensor, nn

from lipsync.devices import to_device
from lipsync.evaluation.judge import Judge
from lipsync.metrics.functional import VSHIFT, SyncResult
from lipsync.models.folding import folded


def as_judge(model: Judge | nn.Module | str, device: str = "cpu") -> Judge:
    """A judge from a network, or from the path or name of one.

    Raises:
        CheckpointError: a path or name that cannot be loaded.
        ConfigError: a network that is no judge, or a device that is not there.
    """
    if isinstance(model, Judge):
        return model
    if isinstance(model, nn.Module):
        return Judge(model)
    from lipsync.checkpoints import load_model

    judge = Judge(to_device(load_model(model), device), str(model))
    judge.network = folded(judge.model)  # nobody else holds it, to train it further
    return judge


def embed_clip(
    faces: Iterable[np.ndarray], wave: np.ndarray, judge: Judge | nn.Module | str
) -> tuple[Tensor, Tensor]:
    """(video_emb, audio_emb) of a clip; see :meth:`Judge.embed` for arguments and errors."""
    return as_judge(judge).embed(faces, wave)


def score_clip(
    faces: Iterable[np.ndarray],
    wave: np.ndarray,
    judge: Judge | nn.Module | str,
    vshift: int = VSHIFT,
) -> SyncResult:
    """Distance, confidence and offset of a clip of face crops and its sound.

    Args:
        faces: n crops, uint8 (S, S, 3) RGB at 25 fps, framed as the judge's training was.
        wave: float32 (samples,) at 16 kHz that begins with the first frame.
        judge: a network, a judge, or the path or name of one.
        vshift: candidate offsets on either side, in frames.

    Raises:
        ValueError: frames or sound too short for one window.
    """
    return as_judge(judge).score(faces, [wave], vshift)[0].result
