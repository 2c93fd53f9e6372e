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
from data_prep.footage import Stretch, probe_source, stretch
from data_prep.look import look
from data_prep.manifest import Rejected
from data_prep.pieces import Piece
from data_prep.quality import levels
from data_prep.scan import Source
from data_prep.state import thumbnail
from lipsync.faces.framing import get_framing
from lipsync.windows import FPS

_HELD = 2**30  # bytes of decoded frames to cache; longer stretches are decoded on each pass


@dataclass
class Sampled:
    """Measurements of a stretch of one file.

    Attributes:
        name: name of the source.
        size: width and height of the picture in pixels.
        fps: nominal frame rate of the file.
        seconds: length of the whole file.
        looked: seconds of footage examined.
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
    looked: float = 0.0
    cpu: float = 0.0
    sound: float = 0.0
    pieces: list[Piece] = field(default_factory=list)
    scores: list[dict | None] = field(default_factory=list)
    crops: list[float] = field(default_factory=list)
    picture: np.ndarray | None = None
    problem: str = ""


def drawn(sources: Sequence[Source], count: int) -> list[Source]:
    """Draw ``count`` sources by a hash of their names, so always the same; keeps their order."""

    def order(source: Source) -> str:
        return hashlib.sha256(source.name.encode()).hexdigest()

    taken = {source.name for source in sorted(sources, key=order)[:count]}
    return [source for source in sources if source.name in taken]


def look_into(source: Source, seconds: float, tools: Tools) -> Sampled:
    """Examine a stretch from the middle of a file; an unusable file sets ``problem``."""
    found, began = Sampled(source.name), time.process_time()
    try:
        about = probe_source(source.path)
        found.fps = float(Fraction(about["fps"]))
        found.size, found.seconds = tuple(about["size"]), about["seconds"]
        start, length = (found.seconds - seconds) / 2, min(seconds, found.seconds or seconds)
        _measure(found, stretch(source.path, about, start, length, _HELD), tools)
    except Rejected as why:
        found.problem = f"{why.reason}: {why.detail}"
    found.cpu = time.process_time() - began
    return found


def _measure(found: Sampled, footage: Stretch, tools: Tools) -> None:
    options = tools.options
    seen = look(footage, tools.detector, options.stride)
    found.looked = seen["frames"] / FPS
    found.sound = float((levels(footage.wave) > options.min_level).mean())
    found.pieces, found.scores = examine(footage, seen, tools)
    framing = get_framing(options.framing)
    for piece in found.pieces:
        known = piece.boxes and (piece.marks or not framing.needs_landmarks)
        places = piece.places(framing) if known else np.zeros((1, 2, 3))
        found.crops.append(float(np.median(np.hypot(places[:, 0, 0], places[:, 1, 0]))))
    faces = [piece for piece in found.pieces if piece.boxes]
    if faces:
        middle = (faces[0].start + faces[0].end) // 2
        frame = next(islice(footage.frames(), middle, None))
        found.picture = thumbnail(frame, faces[0].box_at(middle))
