"""What can be chosen about a dub, and what cannot work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from lipsync.dubbing.enhance import Enhancer, get_enhancer
from lipsync.dubbing.playback import LENGTHS
from lipsync.dubbing.references import parse_choice
from lipsync.dubbing.speakers import SYNC, speaker_choice
from lipsync.errors import ConfigError
from lipsync.faces.detect import Detector
from lipsync.options import check_options, option

DEFAULT_MODEL = "wav2lip-gan-grid"


@dataclass(frozen=True)
class Options:
    """The options of :func:`lipsync.dubbing.dub` that make the frames; explained there."""

    model: str | Path | nn.Module = DEFAULT_MODEL
    device: str = "cpu"
    batch_size: int | None = option(None, least=1)
    detector: str | Detector = "centerface"
    stride: int | None = option(None, least=1)
    speaker: str | int = "largest"
    reference: str | Path | None = None
    min_face: int = option(40, least=0)
    no_face: str = option("pass", choices=("pass", "hold", "error"))
    reference_frames: str | int | list[int] | None = None
    tracks: str | Path | None = None
    length: str = option("pingpong", choices=LENGTHS)
    tail: str = option("cut", choices=("cut", "keep"))
    fps: float | None = option(None, least=1, most=240)
    gate: bool = True
    match: bool = True
    enhance: str | Enhancer = "none"
    watermark: str | None = None
    tolerate_damage: bool = False

    def check(self) -> None:
        """Raise ConfigError for what cannot work."""
        check_options(self)
        if self.speaker != SYNC:
            speaker_choice(self.speaker)
            if self.reference is not None:
                raise ConfigError("a reference sound is for speaker=sync")
        parse_choice(self.reference_frames)
        get_enhancer(self.enhance)
