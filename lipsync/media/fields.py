"""Deinterlacing, and conversion to square pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import av
import cv2
import numpy as np
from av.filter import Graph

_MOST_ASPECT = 4  # maximum pixel aspect ratio (or its inverse); more is a mistake
_SQUARE = 0.01  # tolerance within which it counts as 1


def deinterlace(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Deinterlace the frames flagged as interlaced (bwdif), one frame out per frame in."""
    graph, kind = None, None
    for frame in frames:
        now = frame.format.name, frame.width, frame.height
        if graph is not None and now != kind:
            yield from _flush(graph)
            graph = None
        if graph is None:
            if not frame.interlaced_frame:
                yield frame
                continue
            graph, kind = _graph(frame), now
        graph.push(frame)
        yield from _pull_frames(graph)
    if graph is not None:
        yield from _flush(graph)


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    base, size = frame.time_base, f"{frame.width}x{frame.height}"
    settings = f"video_size={size}:pix_fmt={frame.format.name}:time_base={base}:pixel_aspect=1/1"
    filters = graph.add("buffer", settings), graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(*filters, graph.add("buffersink")).configure()
    return graph


def _pull_frames(graph: Graph) -> Iterator[av.VideoFrame]:
    with suppress(BlockingIOError, EOFError, av.error.EOFError):
        while True:
            yield graph.pull()


def _flush(graph: Graph) -> Iterator[av.VideoFrame]:
    graph.push(None)
    return _pull_frames(graph)


def pixel_aspect(stream: av.VideoStream) -> Fraction:
    """Width of a pixel over its height, from the container or else the codec; 1 if unknown."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    sane = 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT and abs(aspect - 1) > _SQUARE
    return aspect if sane else Fraction(1)


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Width and height in square pixels: never smaller, and even if changed."""
    if aspect == 1:
        return width, height
    if aspect > 1:
        return max(2, 2 * round(width * aspect / 2)), height
    return width, max(2, 2 * round(height / aspect / 2))


def square(picture: np.ndarray, aspect: Fraction) -> np.ndarray:
    """Resample an image (H, W, C) with pixels of this aspect ratio to square pixels."""
    height, width = picture.shape[:2]
    size = square_size(width, height, aspect)
    if size == (width, height):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
