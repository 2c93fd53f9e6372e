"""Prepared clips on disk: face crops, sound, mel and what is known of their origin.

::

    <root>/<speaker>/<clip>/faces.npy    uint8 (frames, S, S, 3) RGB, 25 fps, memory-mapped
                            audio.wav    16 kHz mono, 16 bit
                            mel.npy      float32 (80, columns)
                            clip.json    source, fps, boxes, offset, confidence, hash
    <root>/filelists/{train,val,test}.txt   one "speaker/clip" a line

Raw pixels in one file let a loader map any five frames without decoding anything; a set takes 2.5
GB an hour at 96 px and 17.7 GB at 256 px (``experiments/store_formats`` explains the choice). A
clip folder in the published layout (``0.jpg 1.jpg ... audio.wav``) is read as it is; its mel is
computed once and kept in memory.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from lipsync.audio import SAMPLE_RATE, lipgan_mfcc, melspectrogram, mfcc
from lipsync.errors import ClipError, ConfigError, MediaError
from lipsync.media import read_audio, write_audio
from lipsync.windows import MEL_STEP, T, count_windows

SPLITS = ("train", "val", "test")


@dataclass
class Clip:
    """One prepared clip. Pixels and mel are read when first asked for.

    Attributes:
        key: ``speaker/clip``.
        path: the clip's folder.
        info: what ``clip.json`` says; empty for the published layout.
    """

    key: str
    path: Path
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def speaker(self) -> str:
        return self.key.split("/", maxsplit=1)[0]

    @cached_property
    def faces(self) -> np.ndarray:
        """uint8 (frames, S, S, 3) RGB; do not write to it."""
        try:
            faces = np.load(self.path / "faces.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ClipError(self.key, f"faces.npy cannot be read ({error})", _PREPARE) from None
        if faces.ndim != 4 or faces.dtype != np.uint8 or faces.shape[1:] != (*faces.shape[1:3], 3):
            raise ClipError(self.key, f"faces.npy is {faces.dtype} {faces.shape}", _PREPARE)
        return faces

    @cached_property
    def mel(self) -> np.ndarray:
        """float32 (80, columns) in [-4, 4]."""
        try:
            mel = np.load(self.path / "mel.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ClipError(self.key, f"mel.npy cannot be read ({error})", _PREPARE) from None
        if mel.ndim != 2 or mel.shape[0] != 80:
            raise ClipError(self.key, f"mel.npy has shape {mel.shape}, not (80, columns)", _PREPARE)
        return mel

    @cached_property
    def mfcc(self) -> np.ndarray:
        """float32 (rows, 12), LipGAN's cepstra, computed once from the sound."""
        return lipgan_mfcc(self._read_wave())  # the sound itself need not stay in memory

    @cached_property
    def sync_mfcc(self) -> np.ndarray:
        """float32 (13, rows), SyncNet v2's cepstra, computed once from the sound."""
        return np.ascontiguousarray(mfcc(self._read_wave()).T)

    @cached_property
    def wave(self) -> np.ndarray:
        """float32 (samples,) at 16 kHz."""
        return self._read_wave()

    def _read_wave(self) -> np.ndarray:
        try:
            return read_audio(self.path / "audio.wav", SAMPLE_RATE)
        except MediaError as error:
            raise ClipError(self.key, f"audio.wav: {error.problem}", _PREPARE) from None

    @property
    def size(self) -> int:
        """Side of the square face crops, in pixels."""
        return int(self.faces.shape[1])

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.faces)

    def windows(self) -> int:
        """How many five-frame windows the clip holds, at starts 0, 1, ...; at least one.

        Raises:
            ClipError: if it is too short for a window; says how short.
        """
        frames, columns = len(self), self.mel.shape[1]
        if (count := count_windows(frames, columns)) == 0:
            problem = f"{frames} frames and {columns} mel columns"
            needed = f"a window needs {T} frames and {MEL_STEP} columns"
            raise ClipError(self.key, f"{problem}, {needed}", "take it out of the split list")
        return count


@dataclass
class PublishedClip(Clip):
    """A clip in the published layout: JPEG frames ``0.jpg, 1.jpg, ...`` and ``audio.wav``."""

    side: int = 96

    @cached_property
    def faces(self) -> np.ndarray:
        names = sorted(self.path.glob("[0-9]*.jpg"), key=lambda p: int(p.stem))
        if [p.stem for p in names] != [str(i) for i in range(len(names))]:
            raise ClipError(self.key, f"frames are not numbered 0 to {len(names) - 1}", _PREPARE)
        return np.stack([self._read(p) for p in names])

    @cached_property
    def mel(self) -> np.ndarray:
        return melspectrogram(self.wave)

    def _read(self, path: Path) -> np.ndarray:
        # imdecode, not imread: OpenCV's own file access fails on some names.
        try:
            data = np.fromfile(path, np.uint8)
        except OSError as error:
            problem = f"{path.name} cannot be read ({error.strerror})"
            raise ClipError(self.key, problem, _PREPARE) from None
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
        if image is None:
            raise ClipError(self.key, f"{path.name} is not a readable picture", _PREPARE)
        return cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA)


_PREPARE = "prepare the clip again with `python -m data_prep`"


def clip_path(root: str | Path, key: str) -> Path:
    """``root / key``, refusing keys that would leave ``root``.

    Raises:
        ClipError: if the key is absolute, empty, or has a ``..`` in it.
    """
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts or "\0" in key:
        raise ClipError(repr(key), "is not a clip name of the form speaker/clip")
    return Path(root, *parts)


def open_clip(root: str | Path, key: str, *, side: int = 96) -> Clip:
    """Open a prepared clip, or a folder in the published layout.

    Args:
        root: the prepared set.
        key: ``speaker/clip``.
        side: side in pixels to which frames of the *published* layout are resized.

    Raises:
        ClipError: if there is no such clip or its ``clip.json`` is damaged.
    """
    path = clip_path(root, key)
    if (path / "clip.json").is_file():
        try:
            info = json.loads((path / "clip.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise ClipError(key, f"clip.json is damaged ({error})", _PREPARE) from None
        return Clip(key, path, info)
    if (path / "0.jpg").is_file():
        return PublishedClip(key, path, side=side)
    raise ClipError(key, f"no prepared clip in {path}", _PREPARE)


def write_clip(
    root: str | Path, key: str, *, faces: np.ndarray, wave: np.ndarray, info: dict[str, Any]
) -> Path:
    """Write a clip whole or not at all; an older clip of that key is replaced.

    Args:
        root: the prepared set.
        key: ``speaker/clip``.
        faces: uint8 (frames, S, S, 3) RGB at 25 fps.
        wave: float32 (samples,) at 16 kHz, sample 0 at the time of frame 0.
        info: what is known of the clip, as JSON; ``frames`` and ``size`` are added.

    Returns:
        The clip's folder.
    """
    target = clip_path(root, key)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A fixed name: what a killed run left behind is gone once the clip is written again.
    making = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        _save(making / "faces.npy", np.ascontiguousarray(faces, dtype=np.uint8))
        _save(making / "mel.npy", melspectrogram(wave))
        write_audio(making / "audio.wav", wave, SAMPLE_RATE)
        info = {**info, "frames": len(faces), "size": int(faces.shape[1])}
        (making / "clip.json").write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n")
        if target.exists():
            shutil.rmtree(target)
        making.replace(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def _save(path: Path, array: np.ndarray) -> None:
    """As ``np.save``; an OSError says its cause, such as a full disk."""
    with path.open("wb") as file:
        # not the file itself: NumPy's way to real files forgets why one could not be written
        np.save(SimpleNamespace(write=file.write), array)


def read_split(root: str | Path, split: str) -> list[str]:
    """The keys in ``<root>/filelists/<split>.txt``.

    A line may carry more after its key, as published lists do (``key NF:12``).

    Raises:
        ConfigError: if the list is missing or empty.
    """
    path = Path(root) / "filelists" / f"{split}.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise ConfigError(
            f"{path}: no such split list; prepare the data with `python -m data_prep`"
        ) from None
    keys = [
        line if " " not in line or clip_path(root, line).is_dir() else line.split()[0]
        for line in map(str.strip, lines)
        if line
    ]
    if not keys:
        raise ConfigError(f"{path}: the split list is empty; a run needs at least one clip in it")
    return keys


def write_split(root: str | Path, split: str, keys: list[str]) -> Path:
    """Write ``<root>/filelists/<split>.txt``, atomically."""
    path = Path(root) / "filelists" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".tmp")
    making.write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    making.replace(path)
    return path
