"""Rendering of planned frames: generate, match, enhance and paste."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import torch

from lipsync.dubbing.blend import match_colours, match_detail
from lipsync.dubbing.enhance import get_enhancer
from lipsync.dubbing.faces import Face
from lipsync.dubbing.ffhq import restore_faces
from lipsync.dubbing.marks import watermark
from lipsync.dubbing.occlusion import load_occlusion
from lipsync.dubbing.options import Options
from lipsync.dubbing.plan import PlannedFrame
from lipsync.dubbing.references import Choice
from lipsync.dubbing.restorer import Restorer
from lipsync.generators.lips import Lips, is_published
from lipsync.parallel import in_parallel

_BATCH_BYTES = 64 * 2**20  # maximum size of the frames in a batch


@dataclass(frozen=True)
class DubbedFrame:
    """A frame of a dubbed video.

    Attributes:
        number: index from 0.
        start, seconds: start and duration.
        picture: uint8 (H, W, 3) RGB.
        original: the same before dubbing.
        transforms: for each speaking face, float64 (2, 3) from crop to frame, see
            :mod:`lipsync.faces.framing`; ``None`` if it was not dubbed.
        references: for each speaking face, the reference frames; ``None`` if it was not dubbed.
        visible: for each dubbed face, the visibility map of the crop, float32 (N, N) in [0, 1];
            None without occlusion detection.
        people: for each dubbed face, the person, if the model is a gallery of people.
    """

    number: int
    start: float
    seconds: float
    picture: np.ndarray
    original: np.ndarray
    transforms: tuple[np.ndarray | None, ...]
    references: tuple[Choice | None, ...]
    visible: tuple[np.ndarray | None, ...]
    people: tuple[str | None, ...] = ()

    @property
    def dubbed(self) -> bool:
        """Whether any lips were moved."""
        return any(transform is not None for transform in self.transforms)


class GeneratedFace(NamedTuple):
    """Generated images of a face.

    Attributes:
        layers: images to paste one after the other, float32 (S, S, 3) RGB in [0, 1].
        visible: visibility map, see :class:`DubbedFrame`.
    """

    layers: tuple[np.ndarray, ...]
    visible: np.ndarray | None


GeneratedFrame = tuple[PlannedFrame, list[GeneratedFace]]
"""A frame, and the generated images of its dubbed faces."""


class Renderer:
    """Generates faces and pastes them into frames.

    Args:
        lips: the generator.
        options: options of the dub.
        size: width and height of the frames.
    """

    def __init__(self, lips: Lips, options: Options, size: tuple[int, int]) -> None:
        self.lips, self.options = lips, options
        self._enhance = get_enhancer(options.enhance, options.device)
        self._as_published = is_published(lips.model)
        self._occlusion = load_occlusion(options.occlusion, lips.framing, options.device)
        most = max(1, _BATCH_BYTES // (3 * size[0] * size[1]))
        self.batch = min(options.batch_size or lips.batch_size(), most)
        """Frames rendered at a time."""

    def generate(self, frames: Iterator[PlannedFrame]) -> Iterator[GeneratedFrame]:
        """Generate faces in batches, on a CPU several in parallel."""
        workers = self.lips.workers()
        lots = iter(lambda: list(islice(frames, self.batch)), [])
        if workers == 1:
            done: Iterator[list[GeneratedFrame]] = map(self._generate, lots)
        else:
            done = in_parallel(lots, self._generate, workers, partial(torch.set_num_threads, 1))
        threads = torch.get_num_threads()
        try:
            for lot in done:
                yield from lot
        finally:
            torch.set_num_threads(threads)

    def _generate(self, lot: list[PlannedFrame]) -> list[GeneratedFrame]:
        faces = [face for planned in lot for face in _dubbed_faces(planned)]
        if not faces:
            return [(planned, []) for planned in lot]
        generated = self.lips.generate(
            [sound for planned in lot for sound in planned.sounds if sound is not None],
            [face.crop for face in faces],
            [face.references for face in faces],
            [face.person for face in faces] if self.lips.gallery is not None else None,
        )
        if self.options.match:
            generated = np.stack(
                [self._match(*pair) for pair in zip(generated, faces, strict=True)]
            )
        layers = [list(generated)]
        if isinstance(self._enhance, Restorer):
            layers.append(self._restore(self._enhance, lot, generated, faces))
        elif self._enhance is not None:
            layers = [list(self._enhance(generated))]
        visible: Sequence[np.ndarray | None] = [None] * len(faces)
        if self._occlusion is not None:
            references = [face.references[0][1][0] for face in faces]
            visible = list(self._occlusion.visible([face.crop for face in faces], references))
        done = map(GeneratedFace, zip(*layers, strict=True), visible)
        return [(planned, list(islice(done, len(_dubbed_faces(planned))))) for planned in lot]

    def _match(self, picture: np.ndarray, face: Face) -> np.ndarray:
        mask = self.lips.framing.mask
        if not self._as_published:
            references = [crop for _, crops in face.references for crop in crops]
            picture = match_detail(picture, face.crop, references, mask)
        return match_colours(picture, face.crop, mask)

    def _restore(
        self, restorer: Restorer, lot: list[PlannedFrame], generated: np.ndarray, faces: list[Face]
    ) -> list[np.ndarray]:
        framing = self.lips.framing
        frames = (planned.source.picture for planned in lot for _ in _dubbed_faces(planned))
        pasted = (
            framing.paste(frame, picture, face.transform)
            for frame, picture, face in zip(frames, generated, faces, strict=True)
        )
        return restore_faces(restorer, pasted, faces, framing, self.options.match)

    def paste(self, frames: Iterable[GeneratedFrame]) -> Iterator[DubbedFrame]:
        """Paste faces into their frames."""
        held: np.ndarray | None = None
        for planned, generated in frames:
            number, source, faces, _, outside_stretch = planned
            picture = source.picture
            for one, face in zip(generated, _dubbed_faces(planned), strict=True):
                picture = held = self._paste_face(picture, one, face)
            if (
                not generated
                and self.options.no_face == "hold"
                and held is not None
                and not outside_stretch
            ):
                picture = held
            if self.options.watermark is not None and not outside_stretch:
                picture = watermark(picture, self.options.watermark)
            places = tuple(None if face is None else face.transform for face in faces)
            choices = tuple(None if face is None else face.choice for face in faces)
            visible = tuple(one.visible for one in generated)
            people = tuple(face.person for face in _dubbed_faces(planned))
            if self.lips.gallery is None:
                people = ()
            when = source.start, source.seconds
            yield DubbedFrame(
                number, *when, picture, source.picture, places, choices, visible, people
            )

    def _paste_face(self, picture: np.ndarray, generated: GeneratedFace, face: Face) -> np.ndarray:
        dubbed = picture
        for layer in generated.layers:
            dubbed = self.lips.framing.paste(dubbed, layer, face.transform, generated.visible)
        if face.weight == 1:
            return dubbed
        return cv2.addWeighted(dubbed, face.weight, picture, 1 - face.weight, 0)

    def render(self, planned: PlannedFrame) -> DubbedFrame:
        """Render a single frame."""
        return next(self.paste(self._generate([planned])))


def _dubbed_faces(planned: PlannedFrame) -> list[Face]:
    return [face for face in planned.faces if face is not None]
