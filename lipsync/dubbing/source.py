"""The face's frames in the order in which the dubbed video shows them, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipsync.errors import MediaError
from lipsync.media import frame_rate, probe, read_frames, read_image, resample_frames

STILLS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
LENGTHS = ("pingpong", "loop", "freeze", "trim")
_HELD_BYTES = 256 * 2**20  # frames kept for playing backwards; more is decoded again instead


@dataclass(frozen=True)
class Source:
    """A video at its own constant rate, or a still picture.

    Frames are upright RGB uint8 (height, width, 3). A video of variable rate is brought to its
    average rate; one of constant rate gives exactly its frames.
    """

    path: Path
    fps: Fraction
    size: tuple[int, int]
    """(width, height)"""
    still: np.ndarray | None = None
    tolerate_damage: bool = False

    def frames(self) -> Iterator[np.ndarray]:
        """All frames from the first to the last; a still gives one."""
        if self.still is not None:
            yield self.still
            return
        timed = read_frames(self.path, tolerate_damage=self.tolerate_damage)
        for number, frame in enumerate(resample_frames(timed, self.fps)):
            if frame.shape[1::-1] != self.size:
                width, height = frame.shape[1::-1]
                raise MediaError(
                    self.path,
                    f"the picture changes from {self.size[0]}x{self.size[1]} to "
                    f"{width}x{height} at frame {number}",
                    "export it again at one size",
                )
            yield frame

    def take(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """Frames by their indices, in any order; best where these run upwards or downwards.

        A step back decodes the file from its start, and keeps the frames below the one that is
        asked for (as many as the memory for it holds), since playing backwards wants them next.
        """
        room = max(8, _HELD_BYTES // (3 * self.size[0] * self.size[1]))
        kept: dict[int, np.ndarray] = {}
        stream, coming = self.frames(), 0  # `coming` is the index that the stream gives next
        for index in indices:
            if index not in kept:
                lowest = index
                if index < coming:
                    stream, coming, lowest = self.frames(), 0, max(0, index - room + 1)
                kept = {}
                while coming <= index:
                    frame = next(stream)
                    if coming >= lowest:
                        kept[coming] = frame
                    coming += 1
            yield kept[index]


def playing_order(frames: int, total: int, length: str) -> np.ndarray:
    """Which of ``frames`` frames each of ``total`` frames shows: (total,) indices.

    ``pingpong`` plays them forwards, backwards, forwards ... without showing an end twice;
    ``loop`` begins again; ``freeze`` and ``trim`` hold the last frame.
    """
    k = np.arange(total)
    if length == "pingpong":
        period = max(1, 2 * frames - 2)
        return np.minimum(k % period, period - k % period) if frames > 1 else k * 0
    return k % frames if length == "loop" else np.minimum(k, frames - 1)


def open_source(
    path: str | Path, *, still_fps: Fraction | float = 25, tolerate_damage: bool = False
) -> Source:
    """Open a video or a picture as the face of a dub.

    Args:
        path: a video, or a picture (by its suffix).
        still_fps: frames a second that a picture is shown at.

    Raises:
        MediaError: missing, a folder, not decodable, or without video.
    """
    path = Path(path)
    if path.suffix.lower() in STILLS:
        picture = read_image(path)
        return Source(path, frame_rate(still_fps), picture.shape[1::-1], picture)
    info = probe(path)
    if not info.has_video:
        raise MediaError(path, "has no video to dub", "name a video or a picture as the face")
    return Source(path, info.fps, (info.width, info.height), None, tolerate_damage)
