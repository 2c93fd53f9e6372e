"""One prepared clip: its pictures and the features of its sound, read when they are asked for."""

from __future__ import annotations

import json
import mmap
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import ClipError, MediaError
from lipsync.features import Feature, Mel
from lipsync.media import read_audio

PREPARE = "prepare the clip again with `python -m data_prep`"
_MANY = 64  # frames
_COMPUTED = 64  # features of clips in the published layout that a process keeps


class Clip:
    """One prepared clip. Nothing is read before it is asked for.

    Args:
        key: ``speaker/clip``.
        path: the clip's folder.
    """

    def __init__(self, key: str, path: Path) -> None:
        self.key, self.path = key, path

    @property
    def speaker(self) -> str:
        return self.key.split("/", maxsplit=1)[0]

    @cached_property
    def info(self) -> dict[str, Any]:
        """What ``clip.json`` says; empty for the published layout."""
        try:
            return json.loads((self.path / "clip.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ClipError(self.key, f"clip.json is damaged ({error})", PREPARE) from None

    @property
    def framing(self) -> str | None:
        """Name of the framing that its faces were cut by; None where it does not say."""
        return self.info.get("framing")

    @cached_property
    def faces(self) -> np.ndarray:
        """uint8 (frames, S, S, 3) RGB; do not write to it."""
        faces = _mapped(self.path / "faces.npy", self.key)
        if faces.ndim != 4 or faces.dtype != np.uint8 or faces.shape[1:] != (*faces.shape[1:3], 3):
            raise ClipError(self.key, f"faces.npy is {faces.dtype} {faces.shape}", PREPARE)
        return faces

    def read(self, frames: Sequence[int], top: int = 0) -> np.ndarray:
        """Some frames from row ``top`` on: uint8 (n, S - top, S, 3), a copy."""
        copy = self.faces[:, top:][np.asarray(frames)]
        if len(copy) >= _MANY:  # a clip that is gone through: its pages are not read again soon
            self.faces._mmap.madvise(mmap.MADV_DONTNEED)
        return copy

    def feature(self, feature: Feature) -> np.ndarray:
        """float32 (bands, columns) of the whole sound; do not write to it.

        Raises:
            ClipError: it is not stored; names the command that adds it.
        """
        path = self.path / f"{feature.name}.npy"
        if not path.is_file():
            raise ClipError(
                self.key,
                f"holds no feature {feature.name}, which the network hears",
                f"add it with `python -m data_prep features=[{feature.name}] output=ROOT`",
            )
        values = _mapped(path, self.key)
        if values.ndim != 2 or values.shape[0] != feature.bands:
            problem = f"{path.name} has shape {values.shape}, not ({feature.bands}, columns)"
            raise ClipError(self.key, problem, PREPARE)
        return values

    @property
    def mel(self) -> np.ndarray:
        """float32 (80, columns) in [-4, 4]."""
        return self.feature(Mel())

    @property
    def wave(self) -> np.ndarray:
        """float32 (samples,) at 16 kHz, read anew each time."""
        return _read_wave(self.path / "audio.wav", self.key)

    @property
    def size(self) -> int:
        """Side of the square face crops, in pixels."""
        return int(self.faces.shape[1])

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.faces)


class PublishedClip(Clip):
    """A clip in the published layout: JPEG frames ``0.jpg, 1.jpg, ...`` and ``audio.wav``.

    Args:
        key, path: as of :class:`Clip`.
        side: side in pixels to which frames are resized.
    """

    def __init__(self, key: str, path: Path, side: int) -> None:
        super().__init__(key, path)
        self.side = side

    @property
    def info(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _count(self) -> int:
        names = {p.stem for p in self.path.glob("[0-9]*.jpg")}
        if names != {str(i) for i in range(len(names))}:
            raise ClipError(self.key, f"frames are not numbered 0 to {len(names) - 1}", PREPARE)
        return len(names)

    @property
    def faces(self) -> np.ndarray:
        return self.read(range(len(self)))

    def read(self, frames: Sequence[int], top: int = 0) -> np.ndarray:
        return np.stack([self._decode(int(frame))[top:] for frame in frames])

    def feature(self, feature: Feature) -> np.ndarray:
        if (self.path / f"{feature.name}.npy").is_file():
            return super().feature(feature)
        return _extracted(self.path / "audio.wav", self.key, feature)

    @property
    def size(self) -> int:
        return self.side

    def __len__(self) -> int:
        return self._count

    def _decode(self, number: int) -> np.ndarray:
        # imdecode, not imread: OpenCV's own file access fails on some names.
        path = self.path / f"{number}.jpg"
        try:
            data = np.fromfile(path, np.uint8)
        except OSError as error:
            problem = f"{path.name} cannot be read ({error.strerror})"
            raise ClipError(self.key, problem, PREPARE) from None
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
        if image is None:
            raise ClipError(self.key, f"{path.name} is not a readable picture", PREPARE)
        return cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA)


def _read_wave(path: Path, key: str) -> np.ndarray:
    try:
        return read_audio(path, SAMPLE_RATE)
    except MediaError as error:
        raise ClipError(key, f"audio.wav: {error.problem}", PREPARE) from None


@lru_cache(_COMPUTED)
def _extracted(path: Path, key: str, feature: Feature) -> np.ndarray:
    return feature.extract(_read_wave(path, key))


def _mapped(path: Path, key: str) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ClipError(key, f"{path.name} cannot be read ({error})", PREPARE) from None
