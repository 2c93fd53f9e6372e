"""A source file: its properties, sound, and frames at 25 fps, which can be read repeatedly."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.manifest import Rejected
from lipsync.audio import SAMPLE_RATE
from lipsync.errors import MediaError
from lipsync.media import (
    HeldFrames,
    audio_blocks,
    probe,
    read_audio,
    read_frames,
    resample_frames,
)
from lipsync.windows import FPS

_HELD = 256 * 2**20  # bytes of decoded frames to keep; longer videos are decoded for each pass


def probe_source(path: Path) -> dict[str, Any]:
    """Frame rate, size and length of a file with video and sound.

    Raises:
        Rejected: the file is empty or unreadable, or has no video or no sound.
    """
    try:
        if path.stat().st_size == 0:
            raise Rejected("empty", "0 bytes")
        info = probe(path)
    except MediaError as error:
        raise Rejected("unreadable", error.problem) from None
    except OSError as error:
        raise Rejected("unreadable", error.strerror or str(error)) from None
    if not info.has_video:
        raise Rejected("no_video", f"{info.audio_seconds:.2f} s of sound without video")
    if not info.has_audio:
        raise Rejected("no_sound", f"{info.video_seconds:.2f} s of video without sound")
    seconds = round(info.video_seconds, 3)  # 0 if unknown
    return {"fps": str(info.fps), "size": [info.width, info.height], "seconds": seconds}


def fits_in_memory(about: dict[str, Any], held: int | None = None) -> bool:
    """Whether all frames fit in ``held`` bytes; ``about`` is from :func:`probe_source`."""
    width, height = about["size"]
    return about["seconds"] * FPS * width * height * 3 <= (held or _HELD)


class Footage:
    """Frames and sound of one file.

    Args:
        path: the file.
        turns: number of ``np.rot90`` turns that make its frames upright.
        hold: keep the frames in memory after the first pass, if they fit in 256 MiB.
    """

    def __init__(self, path: Path, turns: int = 0, *, hold: bool = True) -> None:
        self.path, self.turns = path, turns
        self._frames = HeldFrames(path, FPS, _HELD if hold else 0)

    def frames(self) -> Iterator[np.ndarray]:
        """Yield RGB uint8 (H, W, 3) frames at 25 fps, decoded again unless they are held.

        Raises:
            Rejected: the file is damaged.
        """
        try:
            for frame in self._frames:
                yield np.ascontiguousarray(np.rot90(frame, self.turns)) if self.turns else frame
        except MediaError as error:
            raise Rejected("damaged", error.problem) from None

    @cached_property
    def wave(self) -> np.ndarray:
        """float32 (samples,) at 16 kHz; sample 0 is at the start of the first frame.

        Raises:
            Rejected: the sound is damaged, or ends before the video starts.
        """
        try:
            wave = read_audio(self.path, SAMPLE_RATE)
        except MediaError as error:
            raise Rejected("damaged", error.problem) from None
        if not len(wave):
            raise Rejected("no_sound", "the sound ends before the video starts")
        return wave


def open_stretch(
    path: Path, about: dict[str, Any], start: float, seconds: float, held: int | None = None
) -> Stretch:
    """Footage of a stretch of a file, starting at the source frame nearest to a time.

    Args:
        path: the file. about: from :func:`probe_source`.
        start, seconds: start and length of the stretch, in seconds.
        held: bytes of decoded frames to keep; a longer stretch is decoded for each pass. None for
            256 MiB.
    """
    fps = float(Fraction(about["fps"]))
    begin = max(0.0, round(start * fps) / fps)
    hold = fits_in_memory(about | {"seconds": seconds}, held)
    return Stretch(path, begin, round(seconds * FPS), hold=hold)


class Stretch(Footage):
    """Footage of a stretch of a file.

    Args:
        path: the file.
        start: start of the stretch in seconds.
        frames: number of frames, at 25 fps.
        hold: keep the frames in memory after the first pass.
    """

    def __init__(self, path: Path, start: float, frames: int, *, hold: bool) -> None:
        super().__init__(path, hold=False)
        self._start, self._count, self._hold = start, frames, hold
        self._kept: list[np.ndarray] | None = None

    def frames(self) -> Iterator[np.ndarray]:
        kept = []
        for frame in self._kept if self._kept is not None else self._decoded():
            if self._hold:
                kept.append(frame)
            yield np.ascontiguousarray(np.rot90(frame, self.turns)) if self.turns else frame
        self._kept = kept if self._hold else None

    def _decoded(self) -> Iterator[np.ndarray]:
        start = self._start or None
        try:
            frames = resample_frames(read_frames(self.path, start=start), FPS)
            yield from islice(frames, self._count)
        except MediaError as error:
            raise Rejected("damaged", error.problem) from None

    @cached_property
    def wave(self) -> np.ndarray:
        first = round(self._start * SAMPLE_RATE)
        last, have, blocks = first + self._count * SAMPLE_RATE // FPS, 0, []
        try:
            for block in audio_blocks(self.path, SAMPLE_RATE):
                blocks.append(block[0, max(0, first - have) : max(0, last - have)])
                have += block.shape[1]
                if have >= last:
                    break
        except MediaError as error:
            raise Rejected("damaged", error.problem) from None
        if not (wave := np.concatenate(blocks or [np.empty(0, np.float32)])).size:
            raise Rejected("no_sound", "the sound ends before this stretch starts")
        return wave
