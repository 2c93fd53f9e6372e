"""Planned frames become dubbed ones: generated, matched, enhanced and pasted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import cv2
import numpy as np
import torch

from lipsync.dubbing.blend import match_colours
from lipsync.dubbing.enhance import get_enhancer
from lipsync.dubbing.faces import Face
from lipsync.dubbing.lips import Lips
from lipsync.dubbing.marks import watermark
from lipsync.dubbing.options import Options
from lipsync.dubbing.plan import Planned
from lipsync.dubbing.references import Choice
from lipsync.parallel import in_parallel

_BATCH_BYTES = 96 * 2**20  # of frames in a batch; very large pictures come fewer at a time


@dataclass(frozen=True)
class DubbedFrame:
    """A frame of a dubbed video.

    Attributes:
        number: its place, from 0.
        start, seconds: when it is shown and for how long.
        picture: uint8 (H, W, 3) RGB.
        original: the same before dubbing.
        transform: float64 (2, 3), where the crop of the face that speaks lies, see
            :mod:`lipsync.faces.framing`; ``None`` where none was dubbed.
        references: which frames of the face's video the generator was shown beside it.
    """

    number: int
    start: float
    seconds: float
    picture: np.ndarray
    original: np.ndarray
    transform: np.ndarray | None
    references: Choice | None = None


Generated = tuple[Planned, np.ndarray | None]
"""A frame, and the face that was made for it, float32 (S, S, 3) RGB in [0, 1]."""


class Renderer:
    """A generator and what is done with its faces.

    Args:
        lips: the generator.
        options: those of the dub.
        size: width and height of the frames.
    """

    def __init__(self, lips: Lips, options: Options, size: tuple[int, int]) -> None:
        self.lips, self.options = lips, options
        self._enhance = get_enhancer(options.enhance)
        most = max(1, _BATCH_BYTES // (3 * size[0] * size[1]))
        self.batch = min(options.batch_size or lips.batch_size(), most)
        """Frames that are rendered at a time."""

    def generate(self, frames: Iterator[Planned]) -> Iterator[Generated]:
        """Their faces, a batch at a time or several side by side."""
        workers = self.lips.workers()
        lots = iter(lambda: list(islice(frames, self.batch)), [])
        if workers == 1:
            done: Iterator[list[Generated]] = map(self._generate, lots)
        else:
            done = in_parallel(lots, self._generate, workers, partial(torch.set_num_threads, 1))
        threads = torch.get_num_threads()
        try:
            for lot in done:
                yield from lot
        finally:
            torch.set_num_threads(threads)

    def _generate(self, lot: list[Planned]) -> list[Generated]:
        faces = [planned.face for planned in lot if planned.face is not None]
        if not faces:
            return [(planned, None) for planned in lot]
        made = self.lips.generate(
            [planned.sound for planned in lot if planned.sound is not None],
            [face.crop for face in faces],
            [face.references for face in faces],
        )
        if self.options.match:
            mask = self.lips.framing.mask
            pairs = zip(made, faces, strict=True)
            made = np.stack([match_colours(picture, face.crop, mask) for picture, face in pairs])
        done = iter(self._enhance(made) if self._enhance is not None else made)
        return [(planned, None if planned.face is None else next(done)) for planned in lot]

    def paste(self, frames: Iterable[Generated]) -> Iterator[DubbedFrame]:
        """The faces put back into their frames."""
        held: np.ndarray | None = None
        for (number, shown, face, _, passes), made in frames:
            picture = shown.picture
            if made is not None and face is not None:
                picture = held = self._put(picture, made, face)
            elif self.options.no_face == "hold" and held is not None and not passes:
                picture = held
            if self.options.watermark is not None and not passes:
                picture = watermark(picture, self.options.watermark)
            where = (face.transform, face.choice) if face is not None else (None, None)
            yield DubbedFrame(number, shown.start, shown.seconds, picture, shown.picture, *where)

    def _put(self, picture: np.ndarray, made: np.ndarray, face: Face) -> np.ndarray:
        dubbed = self.lips.framing.paste(picture, made, face.transform)
        if face.weight == 1:
            return dubbed
        return cv2.addWeighted(dubbed, face.weight, picture, 1 - face.weight, 0)

    def render(self, planned: Planned) -> DubbedFrame:
        """One frame by itself."""
        return next(self.paste(self._generate([planned])))
