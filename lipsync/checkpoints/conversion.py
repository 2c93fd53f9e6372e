"""Conversion of old weights whose config does not record feature and framing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lipsync.errors import CheckpointError
from lipsync.models.sound import LIPGAN_MFCC, MEL, SYNCNET_MFCC

_SOUND = {
    "Wav2Lip": MEL,
    "SyncNet": MEL,
    "SyncNetV2": SYNCNET_MFCC,
    "LipGAN": LIPGAN_MFCC,
    "LipGANDiscriminator": LIPGAN_MFCC,
}
_RENAMED = {
    "view": {"colour": "rgb", "motion": "mean_subtracted_grey"},
    "head": {"copy": "warp"},
    "framing": {"published": "following", "steady": "box"},
}


def is_old(model: str, config: Mapping[str, Any]) -> bool:
    """Whether a network's config is in the old format."""
    return "spectral_norm" in config or (model in _SOUND and "feature" not in config)


def convert_config(path: Path, model: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config that builds the same network today.

    Raises:
        CheckpointError: a network that is no longer supported.
    """
    new = {k: _RENAMED.get(k, {}).get(v, v) for k, v in config.items()}
    if new.pop("hearing", "mel") != "mel" or new.pop("spectral_norm", False):
        problem = "has an audio encoder or spectral norm that this version no longer supports"
        raise CheckpointError(path, problem, "retrain it")
    if model in _SOUND:
        new["feature"] = _SOUND[model] | {"lead": new.pop("mel_lead", _SOUND[model]["lead"])}
    return new
