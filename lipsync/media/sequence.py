"""Video output as an image sequence, one file per frame, with the sound beside it."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from lipsync.errors import ConfigError, MediaError
from lipsync.media.files import naming_target, unfinished_path
from lipsync.media.soundtrack import Soundtrack

_PATTERN = re.compile(r"[^%]*%0\d+d[^%]*")


def is_sequence(path: str | Path) -> bool:
    """Whether a name is an image-sequence pattern, such as ``shot/%05d.png``."""
    return Path(path).suffix.lower() == ".png" and bool(_PATTERN.fullmatch(Path(path).name))


def check_sequence(path: str | Path) -> None:
    """Check in advance that an image sequence can be written.

    Raises:
        MediaError: its folder is not empty, or cannot be created.
    """
    folder = Path(path).parent
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MediaError(folder, "exists and is not empty", "name a new folder for the pictures")
    if not folder.resolve().parent.is_dir():
        raise MediaError(folder, f"no such folder {folder.parent}", "create it first")


class SequenceWriter:
    """Write frames as PNG, numbered from 0, and the sound as ``sound.wav`` in the same folder.

    The folder appears when the ``with`` block succeeds; otherwise nothing is left behind.

    Args:
        path: a pattern such as ``shot/%05d.png``; the folder must be new or empty.
        fps: frames per second.
        size: width and height.
        audio: the sound.
    """

    codec = "png"

    def __init__(
        self,
        path: str | Path,
        fps: Fraction,
        size: tuple[int, int],
        *,
        audio: Soundtrack | None = None,
    ) -> None:
        self.path, self.fps, self.size, self.frames = Path(path), fps, size, 0
        if not is_sequence(path):
            raise ConfigError(f"a picture sequence must be named like shot/%05d.png, got {path}")
        self._folder = self.path.parent
        self._making = unfinished_path(self._folder)
        self._audio, self._container = audio, None

    def __enter__(self) -> SequenceWriter:
        check_sequence(self.path)
        with naming_target(self.path):
            self._making.mkdir()
        try:
            if self._audio is not None:
                self._container = av.open(str(self._making / "sound.wav"), "w")
                self._audio.open(self._container)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            with naming_target(self.path), ExitStack() as stack:
                if self._audio is not None:
                    stack.callback(self._audio.close)
                if self._container is not None:
                    stack.enter_context(self._container)
                    if error is None:
                        self._audio.write(float("inf"))
            if error is None:
                with naming_target(self.path):
                    self._making.replace(self._folder)
        finally:
            shutil.rmtree(self._making, ignore_errors=True)

    def write(
        self, frame: np.ndarray, start: float | None = None, seconds: float | None = None
    ) -> None:
        """Append one frame: RGB uint8 (H, W, 3), or RGBA uint16 (H, W, 4)."""
        order = cv2.COLOR_RGBA2BGRA if frame.shape[2] == 4 else cv2.COLOR_RGB2BGR
        target = self._making / (self.path.name % self.frames)
        coded = cv2.imencode(".png", cv2.cvtColor(frame, order), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        with naming_target(self.path):
            target.write_bytes(coded[1].tobytes())
        self.frames += 1
        if self._audio is not None:
            self._audio.write(float(self.frames / self.fps) if start is None else start + seconds)
