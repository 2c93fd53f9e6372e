"""Sample a folder: examine a few seconds of a few videos, as preparation would."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice

import numpy as np

from data_prep.examine import Tools, examine
from data_prep.footage import Stretch, open_stretch, probe_source
from data_prep.look import analyse_frames
from data_prep.manifest import Rejected
from data_prep.pieces import Piece
from data_prep.quality import levels
from data_prep.scan import Source
from data_prep.state import thumbnail
from lipsync.faces.framing import get_framing
from lipsync.windows import FPS

_CACHE_BYTES = 2**30  # bytes of decoded frames to cache; longer stretches are decoded on each pass


@dataclass
class SampledFile:
    """Measurements of a stretch of one file.

    Attributes:
        name: name of the source.
        size: width and height of the picture in pixels.
        fps: nominal frame rate of the file.
        seconds: length of the whole file.
        examined_seconds: seconds of footage examined.
        cpu: CPU seconds that this took.
        sound: fraction of the stretch, in [0, 1], that is louder than ``min_level``.
        pieces, scores: see :class:`Piece` and :func:`data_prep.sync.measure`.
        crops: median side of each piece's crop in source pixels; 0 if it has none.
        picture: thumbnail of the first face, uint8 (96, 96, 3); None without a face.
        problem: why the file is unusable; empty if it is readable.
    """

    name: str
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    seconds: float = 0.0
    examined_seconds: float = 0.0
    cpu: float = 0.0
    sound: float = 0.0
    pieces: list[Piece] = field(default_factory=list)
    scores: list[dict | None] = field(default_factory=list)
    crops: list[float] = field(default_factory=list)
    picture: np.ndarray | None = None
    problem: str = ""


def draw_sample(sources: Sequence[Source], count: int) -> list[Source]:
    """Draw ``count`` sources by a hash of their names, so always the same; keeps their order."""

    def order(source: Source) -> str:
        return hashlib.sha256(source.name.encode()).hexdigest()

    taken = {source.name for source in sorted(sources, key=order)[:count]}
    return [source for source in sources if source.name in taken]


def examine_file(source: Source, seconds: float, tools: Tools) -> SampledFile:
    """Examine a stretch from the middle of a file; an unusable file sets ``problem``."""
    file, began = SampledFile(source.name), time.process_time()
    try:
        about = probe_source(source.path)
        file.fps = float(Fraction(about["fps"]))
        file.size, file.seconds = tuple(about["size"]), about["seconds"]
        start, length = (file.seconds - seconds) / 2, min(seconds, file.seconds or seconds)
        _measure(file, open_stretch(source.path, about, start, length, _CACHE_BYTES), tools)
    except Rejected as why:
        file.problem = f"{why.reason}: {why.detail}"
    file.cpu = time.process_time() - began
    return file


def _measure(file: SampledFile, footage: Stretch, tools: Tools) -> None:
    options = tools.options
    analysis = analyse_frames(footage, tools.detector, options.stride)
    file.examined_seconds = analysis["frames"] / FPS
    file.sound = float((levels(footage.wave) > options.min_level).mean())
    file.pieces, file.scores = examine(footage, analysis, tools)
    framing = get_framing(options.framing)
    for piece in file.pieces:
        known = piece.boxes and (piece.marks or not framing.needs_landmarks)
        transforms = piece.crop_transforms(framing) if known else np.zeros((1, 2, 3))
        file.crops.append(float(np.median(np.hypot(transforms[:, 0, 0], transforms[:, 1, 0]))))
    faces = [piece for piece in file.pieces if piece.boxes]
    if faces:
        middle = (faces[0].start + faces[0].end) // 2
        frame = next(islice(footage.frames(), middle, None))
        file.picture = thumbnail(frame, faces[0].box_at(middle))
