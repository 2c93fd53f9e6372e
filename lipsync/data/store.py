"""Prepared sets: face crops, audio, audio features and metadata of clips.

Large sets may be in shards (:mod:`lipsync.data.shards`); otherwise each clip is a folder::

    <root>/<speaker>/<clip>/faces.npy    uint8 (frames, S, S, 3) RGB, 25 fps
                            audio.wav    16 kHz mono, 16 bit
                            mel.npy      float32 (80, columns), memory-mapped; likewise every other
                                         stored feature, under its :attr:`file` name
                            clip.json    source, fps, framing, boxes, offset, confidence, hash
    <root>/filelists/{train,val,test}.txt   one "speaker/clip" per line

Raw pixels in one file let a loader read any five frames without decoding; a set takes 2.5 GB per
hour at 96 px and 17.7 GB at 256 px (``experiments/store_formats`` explains the choice). A clip
folder in the published layout (``0.jpg 1.jpg ... audio.wav``) is read directly: only the frames
that a sample needs are decoded, and features that are not stored are computed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.data.arrays import save_array
from lipsync.data.clips import PREPARE, Clip, PreparedClip, PublishedClip
from lipsync.data.lists import parse_split
from lipsync.data.places import is_url
from lipsync.data.shard_index import NAME
from lipsync.data.shards import PreparedShards
from lipsync.errors import ClipError
from lipsync.features import Feature, LipGANMFCC, Mel, SyncNetMFCC
from lipsync.media import write_audio

SPLITS = ("train", "val", "test")
STORED = (Mel(), LipGANMFCC(), SyncNetMFCC())
"""Features stored in every prepared set: those of the published networks."""


def open_set(
    root: str | Path, image_size: int = 96, **shards: Any
) -> PreparedFolder | PreparedShards:
    """Reader of a prepared set, in folders or shards.

    Args:
        root: a folder, or the URL of a set in shards.
        image_size: as in :class:`PreparedFolder`.
        shards: options of :class:`~lipsync.data.shards.PreparedShards`, for sets in shards.

    Raises:
        ConfigError: shards that cannot be read.
    """
    if is_url(root) or (Path(root) / NAME).is_file():
        return PreparedShards(root, **shards)
    return PreparedFolder(root, image_size)


class PreparedFolder:
    """Reader of a prepared set in folders.

    Any object with ``keys`` and ``open`` can replace it; see ``docs/extending.md``.

    Args:
        root: the prepared set.
        image_size: side in pixels to which frames of the *published* layout are resized.
    """

    def __init__(self, root: str | Path, image_size: int = 96) -> None:
        self.root, self.image_size = Path(root), image_size

    def keys(self, split: str) -> list[str]:
        """Keys of a split, ``speaker/clip``; see :func:`read_split`."""
        return read_split(self.root, split)

    def splits(self) -> list[str]:
        """Names of the split lists."""
        return sorted(path.stem for path in self.root.glob("filelists/*.txt"))

    def open(self, key: str) -> Clip:
        """Open a clip; see :func:`open_clip`."""
        return open_clip(self.root, key, side=self.image_size)

    def __str__(self) -> str:
        return str(self.root)


def clip_path(root: str | Path, key: str) -> Path:
    """``root / key``, for keys that stay within ``root``.

    Raises:
        ClipError: the key is absolute, empty, or contains ``..``.
    """
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts or "\0" in key:
        raise ClipError(repr(key), "is not a clip name of the form speaker/clip")
    return Path(root, *parts)


def open_clip(root: str | Path, key: str, *, side: int = 96) -> Clip:
    """Open a clip of a prepared set, in folders or shards, or a folder in the published layout.

    Args:
        root: the prepared set, or its URL.
        key: ``speaker/clip``.
        side: side in pixels to which frames of the *published* layout are resized.

    Raises:
        ClipError: there is no such clip.
    """
    if (shards := _shards(root)) is not None:
        return shards.open(key)
    path = clip_path(root, key)
    if (path / "clip.json").is_file():
        return PreparedClip(key, path)
    if (path / "0.jpg").is_file():
        return PublishedClip(key, path, side)
    raise ClipError(key, f"no prepared clip in {path}", PREPARE)


def _shards(root: str | Path) -> PreparedShards | None:
    """Reader of a set in shards, cached; None for a set in folders."""
    if is_url(root):
        return _open_shards(str(root), 0)
    try:
        return _open_shards(str(root), (Path(root) / NAME).stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=4)
def _open_shards(root: str, written: int) -> PreparedShards:
    return PreparedShards(root)


def write_clip(
    root: str | Path,
    key: str,
    *,
    faces: np.ndarray,
    wave: np.ndarray,
    info: dict[str, Any],
    features: Sequence[Feature] | Mapping[str, np.ndarray] = STORED,
) -> Path:
    """Write a clip atomically, replacing any clip with this key.

    Args:
        root: the prepared set.
        key: ``speaker/clip``.
        faces: uint8 (frames, S, S, 3) RGB at 25 fps.
        wave: float32 (samples,) at 16 kHz, starting with frame 0.
        info: metadata of the clip, JSON-serialisable; ``frames`` and ``size`` are added.
        features: audio features to compute and store; or a mapping of file names to arrays, which
            are stored unchanged.

    Returns:
        The clip's folder.
    """
    target = clip_path(root, key)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A fixed name, so that leftovers of a killed run are replaced when the clip is written again.
    making = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        save_array(making / "faces.npy", np.ascontiguousarray(faces, dtype=np.uint8))
        given = isinstance(features, Mapping)
        for each in features:
            save_array(
                making / (each if given else each.file),
                features[each] if given else each.extract(wave),
            )
        write_audio(making / "audio.wav", wave, SAMPLE_RATE)
        info = {**info, "frames": len(faces), "size": int(faces.shape[1])}
        (making / "clip.json").write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n")
        if target.exists():
            shutil.rmtree(target)
        making.replace(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def add_feature(clip: Clip, feature: Feature) -> bool:
    """Compute and store an audio feature of a clip; False if it was already stored."""
    target = clip.path / feature.file
    if target.is_file():
        return False
    making = target.with_suffix(".tmp")
    save_array(making, feature.extract(clip.wave))
    making.replace(target)
    return True


def read_split(root: str | Path, split: str) -> list[str]:
    """Keys in ``<root>/filelists/<split>.txt``; see :func:`lipsync.data.lists.parse_split`."""
    if (shards := _shards(root)) is not None:
        return shards.keys(split)
    path = Path(root) / "filelists" / f"{split}.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        text = None
    return parse_split(path, text)


def write_split(root: str | Path, split: str, keys: list[str]) -> Path:
    """Write ``<root>/filelists/<split>.txt``, atomically."""
    path = Path(root) / "filelists" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".tmp")
    making.write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    making.replace(path)
    return path
