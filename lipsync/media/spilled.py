"""Frames in a temporary file, for random access to more than fits in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable

import numpy as np

from lipsync.errors import MediaError

# /tmp may be in memory; large files belong in /var/tmp
_FOLDER = os.environ.get("TMPDIR") or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)


class SpilledFrames:
    """Random access to frames of one size, in a file that is removed with the object.

    Args:
        frames: (H, W, C), any integer type.

    Raises:
        MediaError: not enough disk space.
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
    """Whether the disk has more than twice ``size`` bytes free."""
    return shutil.disk_usage(_FOLDER or tempfile.gettempdir()).free > 2 * size
