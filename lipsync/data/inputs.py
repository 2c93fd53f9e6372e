"""What the networks of a training ask of prepared clips, and how windows are cut from one."""

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
    """Sound that is heard beside a whole window: what, and how many frames the window has."""

    feature: Feature
    frames: int


@dataclass(frozen=True)
class Inputs:
    """What the networks of a training ask of a clip.

    Attributes:
        image_size: side of the crops, pixels.
        framing: name of the framing that the crops are cut by.
        frames: frames of a window, at least.
        sound: heard beside every frame; None for networks that hear whole windows only.
        spans: heard beside whole windows, by the name of who hears it.
        references: other frames of the clip to look at beside each window; 0 for none.
        shifted: frames to the nearest sound of the clip that counts as out of sync, where samples
            have such sound; 0 for none.
        lower_half: whether only the lower halves of the pictures are seen.
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
        """Frames of a window that serves everyone."""
        return max([self.frames, *(span.frames for span in self.spans.values())])

    def count(self, clip: Clip) -> int:
        """How many windows a clip holds, at frames 0, 1, ...; at least one.

        A window has all the sound of every span that begins with it. Sound beside single frames
        may be filled up with silence, but every frame begins within the sound.

        Raises:
            ClipError: it is too short for a window; says how short.
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
        there = [f"{clip.feature(f).shape[1]} {f.name} columns" for f in least]
        needed = [f"{columns} of {f.name}" for f, columns in least.items()]
        return ClipError(
            clip.key,
            f"{' and '.join([f'{len(clip)} frames', *there])}, a window needs "
            f"{' and '.join([f'{self.window} frames', *needed])}",
            TOO_SHORT,
        )

    def seen(self, clip: Clip, frames: Sequence[int]) -> np.ndarray:
        """Pictures of frames, in any layout: uint8 (*that of the frames, rows, S, 3)."""
        frames = np.asarray(frames)
        read = clip.read(frames.ravel(), clip.size // 2 if self.lower_half else 0)
        return read.reshape(*frames.shape, *read.shape[1:])

    def pictures(self, clip: Clip, starts: Sequence[int]) -> np.ndarray:
        """Windows that begin at frames: uint8 (K, window, rows, S, 3)."""
        return self.seen(clip, np.asarray(starts)[:, None] + np.arange(self.window))

    def heard(self, clip: Clip, starts: Sequence[int]) -> np.ndarray:
        """Sound of every frame of windows: float32 (K, window, 1, bands, columns)."""
        frames = np.asarray(starts)[:, None] + np.arange(self.window)
        cut = self.sound.cut(clip.feature(self.sound), frames.ravel())
        return cut.reshape(*frames.shape, *cut.shape[1:])

    def spanned(self, clip: Clip, starts: Sequence[int]) -> dict[str, np.ndarray]:
        """Sound of whole windows: ``sound_<name>`` float32 (K, 1, bands, columns)."""
        return {
            f"sound_{name}": span.feature.cut(clip.feature(span.feature), starts)
            for name, span in self.spans.items()
        }
