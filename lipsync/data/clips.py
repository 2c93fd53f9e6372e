"""One clip of a set: its frames and audio features, read lazily."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.data.arrays import map_array, read_header, read_rows
from lipsync.errors import ClipError, MediaError
from lipsync.features import Feature
from lipsync.media import read_audio

PREPARE = "prepare the clip again with `python -m data_prep`"
_COMPUTED = 64  # computed features (of clips in the published layout) cached per process


class Clip:
    """One clip, read lazily; the base class of all kinds of clips.

    A subclass provides ``faces``, and overrides whatever it can provide at a lower cost.

    Args:
        key: ``speaker/clip``.
        path: the clip's folder.
    """

    _adding = "add it with {}"  # remedy for a missing feature

    def __init__(self, key: str, path: Path) -> None:
        self.key, self.path = key, path
        self._features: dict[str, np.ndarray] = {}

    @property
    def speaker(self) -> str:
        return self.key.split("/", maxsplit=1)[0]

    @cached_property
    def info(self) -> dict[str, Any]:
        """Metadata, such as its source."""
        return {}

    @property
    def framing(self) -> str | None:
        """Name of the framing of its faces; None if unknown."""
        return self.info.get("framing")

    @property
    def faces(self) -> np.ndarray:
        """uint8 (frames, S, S, 3) RGB at 25 fps; do not write to it."""
        raise NotImplementedError

    def read(self, frames: Sequence[int] | np.ndarray, top: int = 0) -> np.ndarray:
        """Some frames from row ``top`` on: uint8 (n, S - top, S, 3)."""
        return self.faces[np.asarray(frames), top:]

    def feature(self, feature: Feature) -> np.ndarray:
        """float32 (bands, columns) of the whole clip, for any window; do not write to it.

        Raises:
            ClipError: the feature is not stored; the message names the command that adds it.
        """
        values = self._features.get(feature.file)
        if values is None:
            values = self._features[feature.file] = self._load(feature)
        return values

    def _load(self, feature: Feature) -> np.ndarray:
        values = self.array(feature.file)
        if values is None:
            others = ", ".join(f for f in self.files if f.startswith(f"{feature.name}-"))
            problem = f"has no {feature.file}, which the network needs"
            options, module = f"'features=[{feature.config_text}]'", type(feature).__module__
            if not module.startswith("lipsync."):
                options += f" 'plugins=[{module}]'"
            remedy = self._adding.format(f"`python -m data_prep {options} output=ROOT`")
            raise ClipError(self.key, problem + f", but {others}" * bool(others), remedy)
        if values.ndim != 2 or values.shape[0] != feature.bands or values.dtype != np.float32:
            found = f"{feature.file} is {values.dtype} {values.shape}"
            problem = f"{found}, not float32 ({feature.bands}, columns)"
            raise ClipError(self.key, problem, PREPARE)
        return values

    @property
    def files(self) -> list[str]:
        """Names of the files of its stored features."""
        return sorted(p.name for p in self.path.glob("*.npy") if p.name != "faces.npy")

    def array(self, file: str) -> np.ndarray | None:
        """The array in a file of a stored feature; None if there is no such file."""
        path = self.path / file
        if not path.is_file():
            return None
        with _name_errors(self.key, file):
            return map_array(path)

    @property
    def wave(self) -> np.ndarray:
        """float32 (samples,) at 16 kHz, read from disk each time."""
        return _read_wave(self.path / "audio.wav", self.key)

    @property
    def size(self) -> int:
        """Side of the square face crops, in pixels."""
        return int(self.faces.shape[1])

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.faces)


class PreparedClip(Clip):
    """A clip that ``python -m data_prep`` has prepared, see :mod:`lipsync.data.store`."""

    @cached_property
    def info(self) -> dict[str, Any]:
        """Contents of ``clip.json``."""
        try:
            return json.loads((self.path / "clip.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ClipError(self.key, f"clip.json is damaged ({error})", PREPARE) from None

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        with _name_errors(self.key, "faces.npy"):
            header = read_header(self.path / "faces.npy")
        shape = header.shape
        if header.dtype != np.uint8 or header.columns_first or shape[1:] != (*shape[1:2] * 2, 3):
            raise ClipError(self.key, f"faces.npy is {header.dtype} {shape}", PREPARE)
        return shape

    @property
    def faces(self) -> np.ndarray:  # memory-mapped
        with _name_errors(self.key, "faces.npy"):
            return map_array(self.path / "faces.npy").reshape(self._shape)

    def read(self, frames: Sequence[int] | np.ndarray, top: int = 0) -> np.ndarray:
        with _name_errors(self.key, "faces.npy"):
            return read_rows(self.path / "faces.npy", frames, top)

    @property
    def size(self) -> int:
        return self._shape[1]

    def __len__(self) -> int:
        return self._shape[0]


class PublishedClip(Clip):
    """A clip in the published layout: JPEG frames ``0.jpg, 1.jpg, ...`` and ``audio.wav``.

    Only requested frames are decoded. An audio feature that is not stored with them is computed
    from the whole audio, which takes most of a sample's time; store it with ``python -m data_prep
    features=[NAME] output=ROOT``.

    Args:
        key, path: as in :class:`Clip`.
        side: side in pixels to which frames are resized.
    """

    def __init__(self, key: str, path: Path, side: int) -> None:
        super().__init__(key, path)
        self.side = side

    @cached_property
    def _count(self) -> int:
        names = {p.stem for p in self.path.glob("[0-9]*.jpg")}
        if names != {str(i) for i in range(len(names))}:
            raise ClipError(self.key, f"frames are not numbered 0 to {len(names) - 1}", PREPARE)
        return len(names)

    @property
    def faces(self) -> np.ndarray:
        return self.read(range(len(self)))

    def read(self, frames: Sequence[int] | np.ndarray, top: int = 0) -> np.ndarray:
        return np.stack([self._decode(int(frame))[top:] for frame in frames])

    def _load(self, feature: Feature) -> np.ndarray:
        if (self.path / feature.file).is_file():
            return super()._load(feature)
        alike = type(feature)(**feature.options())  # with the default window, for the cache
        return _compute_feature(self.path / "audio.wav", self.key, alike)

    @property
    def size(self) -> int:
        return self.side

    def __len__(self) -> int:
        return self._count

    def _decode(self, number: int) -> np.ndarray:
        # imdecode, not imread: OpenCV's own file access fails on some file names.
        path = self.path / f"{number}.jpg"
        try:
            data = np.fromfile(path, np.uint8)
        except OSError as error:
            problem = f"{path.name} cannot be read ({error.strerror})"
            raise ClipError(self.key, problem, PREPARE) from None
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
        if image is None:
            raise ClipError(self.key, f"{path.name} is not a readable image", PREPARE)
        return cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA)


def _read_wave(path: Path, key: str) -> np.ndarray:
    try:
        return read_audio(path, SAMPLE_RATE)
    except MediaError as error:
        raise ClipError(key, f"audio.wav: {error.problem}", PREPARE) from None


@lru_cache(_COMPUTED)
def _compute_feature(path: Path, key: str, feature: Feature) -> np.ndarray:
    return feature.extract(_read_wave(path, key))


@contextmanager
def _name_errors(key: str, name: str) -> Iterator[None]:
    """Raise errors in reading a file as a ClipError that names clip and file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise ClipError(key, f"{name} cannot be read ({error})", PREPARE) from None
