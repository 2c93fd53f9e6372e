"""Clips already prepared by others, ``0.jpg 1.jpg ... audio.wav``, used as sources.

The pictures are face crops already, and are kept as they are: no detector runs, and every frame
gets the face box for which our framing crops the whole picture. The rest works as for a video.
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
    """Counterpart of :class:`data_prep.footage.Footage` for an already prepared clip.

    Args:
        path: the clip's folder.
        side: side in pixels to which the pictures are resized.
    """

    turns = 0

    def __init__(self, path: Path, side: int) -> None:
        self.path, self.side = path, side
        self._clip = PublishedClip(path.name, path, side=side)

    def frames(self) -> Iterator[np.ndarray]:
        """Yield frames, RGB uint8 (side, side, 3).

        Raises:
            Rejected: the clip is damaged.
        """
        try:
            yield from self._clip.faces
        except ClipError as error:
            raise Rejected("damaged", error.problem) from None

    @cached_property
    def wave(self) -> np.ndarray:
        """Audio, float32 (samples,) at 16 kHz.

        Raises:
            Rejected: the clip is damaged, or ``audio.wav`` is empty.
        """
        try:
            wave = self._clip.wave
        except ClipError as error:
            raise Rejected("damaged", error.problem) from None
        if not len(wave):
            raise Rejected("no_sound", "audio.wav is empty")
        return wave

    def analyse_frames(self, stride: int) -> dict[str, Any]:
        """Same result as :func:`data_prep.look.analyse_frames`, without a detector."""
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
