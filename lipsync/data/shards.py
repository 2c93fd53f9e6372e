"""Prepared clips in shards: tar files in WebDataset layout, with an index.

::

    <root>/shard-00000.tar    for each clip in turn:
                                <speaker>/<clip>.json       metadata
                                <speaker>/<clip>.flac       16 kHz mono, 16 bit
                                <speaker>/<clip>.mel.npy    float32; likewise each stored feature
                                <speaker>/<clip>.ends.npy   uint32 (frames, 2): end offset and
                                                            CRC-32 of each frame
                                <speaker>/<clip>.mjpeg      the frames as concatenated JPEGs
    <root>/index.npz          position of each member, see :mod:`lipsync.data.shard_index`
    <root>/filelists/{train,val,test}.txt

From a local shard only the parts of a clip that a sample needs are read. From a URL a clip is
fetched whole, in one request, and kept on this node's disk if a cache is given. The order of clips
is the same as for folders, see :mod:`lipsync.data.draws`. ``python -m data_prep convert`` converts
folders to shards and back.
"""

from __future__ import annotations

import io
import json
import logging
import os
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipsync.data.arrays import parse_array, read_rows
from lipsync.data.cache import Cache
from lipsync.data.clips import Clip
from lipsync.data.lists import parse_split
from lipsync.data.places import Place
from lipsync.data.shard_index import NAME, Index
from lipsync.errors import ClipError, ConfigError

log = logging.getLogger(__name__)

CONVERT = "convert the set again with `python -m data_prep convert`"
_OPEN = 64  # open shards per process

Read = Callable[[int, int], bytes | memoryview]
"""Reads bytes ``begin`` to ``end`` of a clip; fewer if the shard is truncated."""


class DamagedShard(ClipError):
    """A clip that cannot be read from its shard; training continues with another."""


class PreparedShards:
    """The reader of a set in shards.

    Missing or truncated shards are reported once, at construction, and their clips are left out of
    the splits; other damage is found when a clip is read.

    Args:
        root: a folder or a URL.
        cache: folder on this node for clips that have been read; None for no cache.
        cache_gb: maximum size of the cache.
        cached: ``clips``, as stored, for URLs only; or ``pixels``, decoded, also for local shards:
            six to twelve times as large, but as fast to read as folders.
        damaged: ``skip`` clips that cannot be read, or raise an ``error``.

    Raises:
        ConfigError: no set at ``root``, or invalid options.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        cache: str | Path | None = None,
        cache_gb: float = 50.0,
        cached: str = "clips",
        damaged: str = "skip",
    ) -> None:
        for name, value, choices in (
            ("cached", cached, ("clips", "pixels")),
            ("damaged", damaged, ("skip", "error")),
        ):
            if value not in choices:
                listed = " or ".join(choices)
                raise ConfigError(f"data.shards.{name}={value}: must be {listed}")
        self.place, self.damaged = Place(root), damaged
        self.root = self.place.root
        self.cache = None if cache is None else Cache(cache, cache_gb)
        self.keep_pixels = self.cache is not None and cached == "pixels"
        try:
            data = self.place.read(NAME)
            self.index = Index.from_bytes(data)
        except FileNotFoundError:
            raise ConfigError(
                f"{self.place.path(NAME)}: no such file; convert a prepared set with "
                "`python -m data_prep convert`"
            ) from None
        except ValueError as error:
            raise ConfigError(f"{self.place.path(NAME)}: {error}; {CONVERT}") from None
        self.token = f"{zlib.crc32(data):08x}"  # prefix of cached file names
        self.lost = self._lost_keys()

    def __str__(self) -> str:
        return self.root

    def keys(self, split: str) -> list[str]:
        """Keys of a split, ``speaker/clip``, without lost clips.

        Raises:
            ConfigError: the list is missing or empty, or all its clips are lost.
        """
        name = f"filelists/{split}.txt"
        try:
            text = self.place.read(name).decode("utf-8")
        except FileNotFoundError:
            text = None
        keys = parse_split(self.place.path(name), text)
        if not self.lost:
            return keys
        there = [key for key in keys if key not in self.lost]
        if not there:
            raise ConfigError(f"{self.place.path(name)}: all its clips are in lost shards")
        return there

    def splits(self) -> list[str]:
        """Names of the split lists; empty if the server cannot list files."""
        return sorted(name[:-4] for name in Place(f"{self.root}/filelists").sizes())

    def open(self, key: str) -> ShardClip:
        """Open a clip.

        Raises:
            ClipError: there is no clip with this key.
        """
        number = self.index.find(key)
        if number is None:
            raise ClipError(key, f"no such clip in {self.place.path(NAME)}", CONVERT)
        return ShardClip(key, number, self)

    def source(self, number: int) -> Read:
        """A function that reads bytes of a clip."""
        index, shard = self.index, str(self.index.shards[self.index.shard[number]])
        first, length = int(index.begin[number]), int(index.length[number])
        if self.place.local is not None:
            path = str(self.place.local / shard)
            return lambda begin, end: os.pread(_open_descriptor(path), end - begin, first + begin)
        name, data = f"{self.token}-{number}", None
        if self.cache is not None:
            data = self.cache.read(name)
        if data is None or len(data) != length:
            data = self.place.read(shard, first, first + length)
            if self.cache is not None and len(data) == length:
                self.cache.put(name, data)
        whole = memoryview(data)
        return lambda begin, end: whole[begin:end]

    def problem(self, number: int, key: str, what: str) -> ClipError:
        """The error for a clip that cannot be read."""
        shard = self.place.path(str(self.index.shards[self.index.shard[number]]))
        kind = DamagedShard if self.damaged == "skip" else ClipError
        return kind(key, f"{what} in {shard}", CONVERT)

    def _lost_keys(self) -> set[str]:
        """Keys of clips in missing shards or beyond the end of truncated ones."""
        names = [str(name) for name in self.index.shards]
        sizes = self.place.sizes()
        if not sizes:
            return set()
        held = np.array([sizes.get(name, 0) for name in names])
        ends = self.index.begin + self.index.length
        beyond = ends > held[self.index.shard]
        for number, count in sorted(Counter(self.index.shard[beyond].tolist()).items()):
            needed, of = ends[self.index.shard == number].max(), (self.index.shard == number).sum()
            state = f"has {held[number]} bytes of {needed}" if names[number] in sizes else "is gone"
            what = f"{self.place.path(names[number])}: {state}, {count} of its {of} clips are lost"
            if self.damaged == "error":
                raise ConfigError(f"{what}; {CONVERT}, or set data.shards.damaged=skip")
            log.warning("%s and skipped; %s", what, CONVERT)
        return {key.decode() for key in self.index.keys[beyond]}


class ShardClip(Clip):
    """A clip in a shard; see :class:`PreparedShards`."""

    _adding = "add it to the folders that they were made from with {}, and convert those again"

    def __init__(self, key: str, number: int, shards: PreparedShards) -> None:
        super().__init__(key, Path(key))
        self.number, self.shards = number, shards

    @cached_property
    def _source(self) -> Read:
        try:
            return self.shards.source(self.number)
        except OSError as error:
            raise self._problem(f"it cannot be read ({error.strerror or error})") from None

    def _member(self, kind: str) -> bytes | memoryview | None:
        """A member of the clip, verified by its checksum; None if there is none."""
        member = self.shards.index.member(self.number, kind)
        if member is None:
            return None
        data = self._bytes(member.begin, member.begin + member.size)
        if zlib.crc32(data) != member.check:
            raise self._problem(f"{kind} is damaged")
        return data

    def _bytes(self, begin: int, end: int) -> bytes | memoryview:
        try:
            data = self._source(begin, end)
        except OSError as error:
            raise self._problem(f"it cannot be read ({error.strerror or error})") from None
        if len(data) < end - begin:
            raise self._problem(f"it ends after {len(data)} of {end - begin} bytes")
        return data

    def _problem(self, what: str) -> ClipError:
        return self.shards.problem(self.number, self.key, what)

    @cached_property
    def info(self) -> dict[str, Any]:
        return json.loads(bytes(self._member("json") or b"{}"))

    @property
    def files(self) -> list[str]:
        names = self.shards.index.names(self.number)
        return [name for name in names if name.endswith(".npy") and name != "ends.npy"]

    def array(self, file: str) -> np.ndarray | None:
        data = self._member(file)
        return None if data is None else parse_array(data)

    @property
    def wave(self) -> np.ndarray:
        import soundfile

        data = self._member("flac")
        if data is None:
            raise self._problem("it has no audio")
        samples, _ = soundfile.read(io.BytesIO(data), dtype="int16")
        return samples.astype(np.float32) / 32768

    @property
    def faces(self) -> np.ndarray:
        return self.read(range(len(self)))

    def read(self, frames: Sequence[int] | np.ndarray, top: int = 0) -> np.ndarray:
        frames = np.asarray(frames)
        if not self.shards.keep_pixels:
            return self._decode_frames(frames, top)
        cache, name = self.shards.cache, f"{self.shards.token}-{self.number}.npy"
        if (path := cache.get(name)) is not None:
            try:
                return read_rows(path, frames, top)
            except (OSError, ValueError):  # it was just evicted
                return self._decode_frames(frames, top)
        faces, file = self._decode_frames(np.arange(len(self)), 0), io.BytesIO()
        np.save(file, faces)
        cache.put(name, file.getbuffer())
        return faces[frames, top:]

    def _decode_frames(self, frames: np.ndarray, top: int) -> np.ndarray:
        """Decode frames from row ``top`` on; runs of consecutive frames are read together."""
        found = np.empty((len(frames), self.size - top, self.size, 3), np.uint8)
        pictures, start = self._pictures, self.shards.index.member(self.number, "mjpeg").begin
        breaks = [0, *(np.flatnonzero(np.diff(frames) != 1) + 1).tolist(), len(frames)]
        for i, j in pairwise(breaks):
            first = int(frames[i])
            edges = pictures[first : first + j - i + 1, 0].tolist()
            run = memoryview(self._bytes(start + edges[0], start + edges[-1]))
            for place, (begin, end) in enumerate(pairwise(edges)):
                data = run[begin - edges[0] : end - edges[0]]
                found[i + place] = self._picture(first + place, data)[top:]
        return found

    def _picture(self, frame: int, data: memoryview) -> np.ndarray:
        image = None
        if zlib.crc32(data) == self._pictures[frame + 1, 1]:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is None or image.shape[:2] != (self.size, self.size):
            raise self._problem(f"picture {frame} is damaged")
        return image

    @cached_property
    def _pictures(self) -> np.ndarray:
        """int64 (1 + frames, 2): end offset and CRC-32 of each frame, after a row of zeros."""
        ends = self.array("ends.npy")
        if ends is None or ends.shape != (len(self), 2):
            raise self._problem("ends.npy is missing or belongs to another clip")
        return np.concatenate([np.zeros((1, 2), np.int64), ends])

    @property
    def size(self) -> int:
        return int(self.shards.index.size[self.number])

    def __len__(self) -> int:
        return int(self.shards.index.frames[self.number])


@lru_cache(_OPEN)
def _descriptor(path: str) -> io.FileIO:
    return Path(path).open("rb", buffering=0)


def _open_descriptor(path: str) -> int:
    """Descriptor of a file, opened once; safe across forks, as all reads give their position."""
    return _descriptor(path).fileno()
