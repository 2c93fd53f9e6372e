"""Frames put down in a temporary file, for what is shown again and is too much for the memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable

import numpy as np

from lipsync.errors import MediaError

# /tmp may be memory; what is large is at home in /var/tmp
_FOLDER = os.environ.get("TMPDIR") or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)


class SpilledFrames:
    """Frames of one size, each of which can be had at once. The file goes when the object does.

    Args:
        frames: of any integer type, (H, W, C).

    Raises:
        MediaError: there is no room for them.
    """

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self._count, self._like = 0, np.zeros(0, np.uint8)
        try:
            self._file = tempfile.TemporaryFile(dir=_FOLDER)  # noqa: SIM115 it closes with the object
            for frame in frames:
                self._file.write(np.ascontiguousarray(frame).data)
                self._like, self._count = frame, self._count + 1
            self._file.flush()
        except OSError as error:
            folder = _FOLDER or tempfile.gettempdir()
            reason = f"frames cannot be put down there ({error.strerror})"
            raise MediaError(folder, reason, "make room, or set TMPDIR") from None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> np.ndarray:
        if not 0 <= number < self._count:
            raise IndexError(number)
        self._file.seek(number * self._like.nbytes)
        data = bytearray(self._like.nbytes)
        self._file.readinto(data)
        return np.frombuffer(data, self._like.dtype).reshape(self._like.shape)


def has_room(size: int) -> bool:
    """Whether so many bytes of frames can be put down, and as many are left."""
    return shutil.disk_usage(_FOLDER or tempfile.gettempdir()).free > 2 * size
