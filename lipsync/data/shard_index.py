"""Index of a set in shards: position of each clip, and of its members, in the tar files.

One ``.npz`` file of plain arrays, about 60 bytes per clip, so that a million clips load within
seconds. It can be rebuilt from the tar files, and saves scanning them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Container, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

NAME = "index.npz"


class Member(NamedTuple):
    """A file of a clip: offset from the clip's start and size in bytes, and CRC-32."""

    begin: int
    size: int
    check: int


@dataclass(frozen=True)
class Index:
    """All clips of a set, sorted by key.

    Attributes:
        keys: UTF-8 bytes (clips,).
        shard: int32 (clips,), index of the clip's shard.
        begin: int64 (clips,), offset of the clip in the shard, in bytes.
        length: int64 (clips,), size of the clip in bytes, including tar headers.
        frames: int32 (clips,), number of frames.
        size: int32 (clips,), side of the faces in pixels.
        members: (clips, kinds, 3) of ``(begin, size, check)``; size 0 if a clip has no such member.
        kinds: part of member names after the key, such as ``mel.npy``.
        shards: names of the tar files.
        made: what the shards were made from, and how.
    """

    keys: np.ndarray
    shard: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    frames: np.ndarray
    size: np.ndarray
    members: np.ndarray
    kinds: np.ndarray
    shards: np.ndarray
    made: str = ""

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, key: str) -> int | None:
        """Index of the clip with a key; None if there is none."""
        name = np.bytes_(key.encode())
        place = int(np.searchsorted(self.keys, name))
        return place if place < len(self) and self.keys[place] == name else None

    def member(self, clip: int, kind: str) -> Member | None:
        """Member of a clip; None if it has none of that kind."""
        column = self._columns.get(kind)
        if column is None or not self.members[clip, column, 1]:
            return None
        return Member(*self.members[clip, column].tolist())

    def only(self, keys: Container[bytes]) -> Index:
        """The index restricted to these keys."""
        chosen = np.array([key in keys for key in self.keys.tolist()], bool)
        names = ("keys", "shard", "begin", "length", "frames", "size", "members")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {str(kind): i for i, kind in enumerate(self.kinds)}

    def names(self, clip: int) -> list[str]:
        """Kinds of a clip's members."""
        return [kind for kind, i in self._columns.items() if self.members[clip, i, 1]]

    def to_bytes(self) -> bytes:
        """Serialise to the contents of a file."""
        file = io.BytesIO()
        np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """Load from the contents of a file.

        Raises:
            ValueError: not an index, or damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                found = {f.name: arrays[f.name] for f in fields(cls)}
        except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
            raise ValueError(f"it is not a shard index ({error})") from None
        return cls(**found | {"made": str(found["made"])})

    @classmethod
    def of_shard(cls, shard: str, clips: Sequence[dict[str, Any]], made: str) -> Index:
        """Build the index of one shard.

        Args:
            shard: name of the shard.
            clips: for each clip ``key``, ``begin``, ``length``, ``frames``, ``size``, and
                ``members``, kind -> :class:`Member`.
            made: see above.
        """
        clips = sorted(clips, key=lambda clip: clip["key"].encode())
        kinds = sorted({kind for clip in clips for kind in clip["members"]})
        none = Member(0, 0, 0)
        members = [[clip["members"].get(kind, none) for kind in kinds] for clip in clips]
        return cls(
            keys=np.array([clip["key"].encode() for clip in clips], "S"),
            shard=np.zeros(len(clips), np.int32),
            begin=np.array([clip["begin"] for clip in clips], np.int64),
            length=np.array([clip["length"] for clip in clips], np.int64),
            frames=np.array([clip["frames"] for clip in clips], np.int32),
            size=np.array([clip["size"] for clip in clips], np.int32),
            members=np.array(members, np.uint32).reshape(len(clips), len(kinds), 3),
            kinds=np.array(kinds, "U"),
            shards=np.array([shard], "U"),
            made=made,
        )

    @classmethod
    def merge(cls, parts: Sequence[Index]) -> Index:
        """Merge the indices of several shards."""
        kinds = sorted({str(kind) for part in parts for kind in part.kinds})
        members = []
        for part in parts:
            wide = np.zeros((len(part), len(kinds), 3), np.uint32)
            wide[:, [kinds.index(str(kind)) for kind in part.kinds]] = part.members
            members.append(wide)
        before = accumulate((len(part.shards) for part in parts), initial=0)
        shard = [part.shard + count for part, count in zip(parts, before, strict=False)]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("keys", "begin", "length", "frames", "size", "shards")
        }
        order = np.argsort(joined["keys"], kind="stable")
        ordered = {
            name: values[order]
            for name, values in {
                **joined, "shard": np.concatenate(shard), "members": np.concatenate(members),
            }.items()
            if name != "shards"
        }  # fmt: skip
        return cls(**ordered, kinds=np.array(kinds, "U"), shards=joined["shards"], made="")
