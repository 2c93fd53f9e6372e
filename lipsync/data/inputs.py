"""Inputs that the networks of a training need, and how they are cut from prepared clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lipsync.data.clips import Clip
from lipsync.errors import ClipError
from lipsync.features import Feature
from lipsync.windows import FPS

TOO_SHORT = "take it out of the split list"


@dataclass(frozen=True)
class Span:
    """Audio of a whole window: the feature, and the number of frames that it spans."""

    feature: Feature
    frames: int


@dataclass(frozen=True)
class Inputs:
    """Inputs that the networks of a training need from a clip.

    Attributes:
        image_size: side of the crops in pixels.
        framing: name of the face framing.
        frames: minimum frames per window.
        sound: audio feature of each frame; None if only whole windows have audio.
        spans: audio of whole windows, by the name of the network or term that uses it.
        references: reference frames per window; 0 for none.
        shifted: minimum shift in frames of off-sync audio; 0 for no such audio.
        lower_half: whether to read only the lower halves of faces.
    """

    image_size: int
    framing: str
    frames: int = 1
    sound: Feature | None = None
    spans: Mapping[str, Span] = field(default_factory=dict)
    references: int = 0
    shifted: int = 0
    lower_half: bool = False

    @cached_property
    def window(self) -> int:
        """Frames per window, long enough for all spans."""
        return max([self.frames, *(span.frames for span in self.spans.values())])

    def count(self, clip: Clip) -> int:
        """Number of windows in a clip, starting at frames 0, 1, ...; at least one.

        The audio of every span lies within the clip. The audio of single frames may be padded with
        silence, but every frame starts within the audio.

        Raises:
            ClipError: the clip is too short for a window; says by how much.
        """
        counts = [len(clip) - self.window + 1]
        for span in self.spans.values():
            columns = clip.feature(span.feature).shape[1]
            counts.append(span.feature.count(len(clip), columns, span.frames))
        if self.sound is not None:
            columns = clip.feature(self.sound).shape[1]
            counts.append(-(-columns * FPS // self.sound.rate) - self.window + 1)
        if min(counts) < 1:
            raise self._too_short(clip)
        return min(counts)

    def _too_short(self, clip: Clip) -> ClipError:
        least: dict[Feature, int] = {s.feature: s.feature.window for s in self.spans.values()}
        if self.sound is not None and not least:
            least[self.sound] = (self.window - 1) * self.sound.rate // FPS + 1
        available = [f"{clip.feature(f).shape[1]} {f.name} columns" for f in least]
        needed = [f"{columns} of {f.name}" for f, columns in least.items()]
        return ClipError(
            clip.key,
            f"{' and '.join([f'{len(clip)} frames', *available])}, a window needs "
            f"{' and '.join([f'{self.window} frames', *needed])}",
            TOO_SHORT,
        )

    def read_faces(self, clip: Clip, frames: Sequence[int]) -> np.ndarray:
        """Faces for an array of frame numbers: uint8 (*frames.shape, rows, S, 3)."""
        frames = np.asarray(frames)
        read = clip.read(frames.ravel(), clip.size // 2 if self.lower_half else 0)
        return read.reshape(*frames.shape, *read.shape[1:])

    def face_windows(self, clip: Clip, starts: Sequence[int]) -> np.ndarray:
        """Face windows that start at the given frames: uint8 (K, window, rows, S, 3)."""
        return self.read_faces(clip, np.asarray(starts)[:, None] + np.arange(self.window))

    def sound_windows(self, clip: Clip, starts: Sequence[int]) -> np.ndarray:
        """Audio of each frame in the windows: float32 (K, window, 1, bands, columns)."""
        frames = np.asarray(starts)[:, None] + np.arange(self.window)
        cut = self.sound.cut(clip.feature(self.sound), frames.ravel())
        return cut.reshape(*frames.shape, *cut.shape[1:])

    def span_windows(self, clip: Clip, starts: Sequence[int]) -> dict[str, np.ndarray]:
        """Audio of whole windows: ``sound_<name>`` float32 (K, 1, bands, columns)."""
        return {
            f"sound_{name}": span.feature.cut(clip.feature(span.feature), starts)
            for name, span in self.spans.items()
        }
