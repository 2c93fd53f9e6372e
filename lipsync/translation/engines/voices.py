"""The original speaker's voice for the new speech: matched without training, or converted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.errors import ConfigError
from lipsync.translation.work import file_digest

_REFERENCE = 30.0  # seconds of the original speech to use


class MatchedVoice:
    """Shifts pitch and average envelope to those of the original, without training."""

    name = "match"

    def convert(self, wave: np.ndarray, rate: int, reference: np.ndarray) -> np.ndarray:
        """See :class:`~lipsync.translation.engines.base.Voice`."""
        from lipsync.voice import match_voice

        reference = reference[: round(_REFERENCE * rate)]
        return match_voice(wave, rate, reference, name="line", reference_name="the original")


class TrainedVoice:
    """CycleGAN voice conversion, trained on the synthesiser's voice and the target's.

    Args:
        path: path of the model.
        speaker: the target speaker; by default the model's second.
    """

    def __init__(self, path: Path, speaker: str | None, device: str) -> None:
        from lipsync.checkpoints import load_model
        from lipsync.devices import to_device

        self.name = f"{path}:{speaker or ''}"
        self._speaker = speaker
        self._network = to_device(load_model(path), device)

    def convert(self, wave: np.ndarray, rate: int, reference: np.ndarray) -> np.ndarray:
        """See :class:`~lipsync.translation.engines.base.Voice`; the reference is ignored."""
        from lipsync.voice import convert

        return convert(wave, rate, self._network, self._speaker, name="line")


def find_voice(choice: Any, device: str) -> tuple[str, Callable[[], Any]]:
    """The name of a voice, and a function that loads it once.

    Args:
        choice: "match", the path of a model, ``PATH:SPEAKER``, or an object.
        device: device of the network.

    Raises:
        ConfigError: unknown voice.
    """
    if not isinstance(choice, str):
        return choice.name, lambda: choice
    if choice == "match":
        return "match", MatchedVoice
    path, speaker = Path(choice), None
    if not path.is_file():
        before, _, after = choice.rpartition(":")
        path, speaker = Path(before or choice), after
    if not path.is_file():
        raise ConfigError(
            f"voice '{choice}' is neither none, match nor a file; train one with "
            "python train.py model=cyclegan_vc"
        )
    return f"{file_digest(path)}:{speaker or ''}", cache(
        lambda: TrainedVoice(path, speaker, device)
    )
