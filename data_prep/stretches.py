"""A few seconds of a few videos of a folder: what preparing all of them would find."""

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

_HELD = 2**30  # bytes of decoded frames; a longer stretch is decoded again each time


@dataclass
class Sampled:
    """What a stretch of one file holds.

    Attributes:
        name: of the source.
        size: width and height of the picture. fps: as it is said. seconds: of the whole file.
        looked: seconds that were looked at. cpu: seconds that this took, on one core.
        sound: the part of it that is louder than the limit, in [0, 1].
        pieces, scores: see :class:`Piece` and :func:`data_prep.sync.measure`.
        crops: side of each piece's crop in pixels of the source; 0 where it has none.
        picture: uint8 (96, 96, 3) of the first face.
        problem: why the file gives nothing; empty if it can be read.
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
    """So many of the sources, the same ones each time, in their order."""

    def order(source: Source) -> str:
        return hashlib.sha256(source.name.encode()).hexdigest()

    taken = {source.name for source in sorted(sources, key=order)[:count]}
    return [source for source in sources if source.name in taken]


def look_into(source: Source, seconds: float, tools: Tools) -> Sampled:
    """What a stretch from the middle of a file holds; problems of the file are part of that."""
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
