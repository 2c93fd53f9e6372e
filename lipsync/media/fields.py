"""Pictures as they are meant to be seen: whole frames of square pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import av
import cv2
import numpy as np
from av.filter import Graph

_MOST_ASPECT = 4  # of a pixel, to either side; what says more is a mistake,
_SQUARE = 0.01  # and what is so near to 1 a rounded number


def deinterlaced(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames, as many as there were; those that say they are interlaced are made whole (bwdif)."""
    graph, kind = None, None
    for frame in frames:
        now = frame.format.name, frame.width, frame.height
        if graph is not None and now != kind:
            yield from _rest(graph)
            graph = None
        if graph is None:
            if not frame.interlaced_frame:
                yield frame
                continue
            graph, kind = _graph(frame), now
        graph.push(frame)
        yield from _ready(graph)
    if graph is not None:
        yield from _rest(graph)


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    base, size = frame.time_base, f"{frame.width}x{frame.height}"
    given = f"video_size={size}:pix_fmt={frame.format.name}:time_base={base}:pixel_aspect=1/1"
    filters = graph.add("buffer", given), graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(*filters, graph.add("buffersink")).configure()
    return graph


def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
    with suppress(BlockingIOError, EOFError, av.error.EOFError):
        while True:
            yield graph.pull()


def _rest(graph: Graph) -> Iterator[av.VideoFrame]:
    graph.push(None)
    return _ready(graph)


def pixel_aspect(stream: av.VideoStream) -> Fraction:
    """Width of a pixel over its height, by the container or else the codec; 1 if unknown."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    sane = 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT and abs(aspect - 1) > _SQUARE
    return aspect if sane else Fraction(1)


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Width and height in square pixels: never fewer than there were, and even where changed."""
    if aspect == 1:
        return width, height
    if aspect > 1:
        return max(2, 2 * round(width * aspect / 2)), height
    return width, max(2, 2 * round(height / aspect / 2))


def square(picture: np.ndarray, aspect: Fraction) -> np.ndarray:
    """A picture (H, W, C) of pixels that are ``aspect`` times as wide as high, in square ones."""
    height, width = picture.shape[:2]
    size = square_size(width, height, aspect)
    if size == (width, height):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
