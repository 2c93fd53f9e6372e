"""A clip that others prepared, ``0.jpg 1.jpg ... audio.wav``, as a source: its crops stay.

The pictures are faces already, so nothing is detected. Every frame is said to show the face that
our own framing would have cut out as the whole picture; from there all goes the way of a video.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.manifest import Rejected
from data_prep.quality import fine_detail
from lipsync.data.store import PublishedClip
from lipsync.errors import ClipError
from lipsync.faces.crops import framed_face


class PublishedFootage:
    """What :class:`data_prep.footage.Footage` is for a video.

    Args:
        path: the clip's folder.
        side: to which its pictures are resized.
    """

    turns = 0

    def __init__(self, path: Path, side: int) -> None:
        self.path, self.side = path, side
        self._clip = PublishedClip(path.name, path, side=side)

    def frames(self) -> Iterator[np.ndarray]:
        """RGB uint8 (side, side, 3)."""
        try:
            yield from self._clip.faces
        except ClipError as error:
            raise Rejected("damaged", error.problem) from None

    @cached_property
    def wave(self) -> np.ndarray:
        """float32 (samples,) at 16 kHz."""
        try:
            wave = self._clip.wave
        except ClipError as error:
            raise Rejected("damaged", error.problem) from None
        if not len(wave):
            raise Rejected("no_sound", "audio.wav is empty")
        return wave

    def look(self, stride: int) -> dict[str, Any]:
        """As :func:`data_prep.look.look`, without a detector."""
        box = framed_face(self.side)
        face = {"box": box.tolist(), "score": 1.0, "marks": None}
        frames = list(self.frames())
        return {
            "turns": 0,
            "frames": len(frames),
            "size": [self.side, self.side],
            "steps": [(0.0, 0.0)] * len(frames),
            "looks": [
                [i, [{**face, "sharpness": round(fine_detail(frames[i], box), 3)}]]
                for i in sorted({*range(0, len(frames), stride), len(frames) - 1})
            ],
        }
