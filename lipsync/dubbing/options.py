"""What can be chosen about a dub, and what cannot work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from lipsync.dubbing.enhance import Enhancer, get_enhancer
from lipsync.dubbing.playback import LENGTHS
from lipsync.dubbing.speakers import SYNC, speaker_choice
from lipsync.errors import ConfigError
from lipsync.faces.detect import Detector

DEFAULT_MODEL = "wav2lip-gan-grid"
NO_FACE = ("pass", "hold", "error")
TAILS = ("cut", "keep")


@dataclass(frozen=True)
class Options:
    """The options of :func:`lipsync.dubbing.dub` that make the frames; explained there."""

    model: str | Path | nn.Module = DEFAULT_MODEL
    device: str = "cpu"
    batch_size: int | None = None
    detector: str | Detector = "centerface"
    stride: int | None = None
    speaker: str | int = "largest"
    reference: str | Path | None = None
    min_face: int = 40
    no_face: str = "pass"
    tracks: str | Path | None = None
    length: str = "pingpong"
    tail: str = "cut"
    fps: float | None = None
    gate: bool = True
    match: bool = True
    enhance: str | Enhancer = "none"
    watermark: str | None = None
    tolerate_damage: bool = False

    def check(self) -> None:
        """Raise ConfigError for what cannot work."""
        for name in ("batch_size", "stride"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be 1 or more, got {value}")
        if self.min_face < 0:
            raise ConfigError(f"min_face must be 0 or more, got {self.min_face}")
        for name, known in (("no_face", NO_FACE), ("length", LENGTHS), ("tail", TAILS)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"{name} must be one of {', '.join(known)}, got '{getattr(self, name)}'"
                )
        if self.fps is not None and not 1 <= self.fps <= 240:
            raise ConfigError(f"fps must be 1 to 240, got {self.fps}")
        if self.speaker != SYNC:
            speaker_choice(self.speaker)
            if self.reference is not None:
                raise ConfigError("a reference sound is for speaker=sync")
        get_enhancer(self.enhance)
