"""The index of a set in shards: where each clip lies in which tar file, and each of its members.

It is one ``.npz`` file of plain arrays, some 60 bytes a clip, so that a million clips are found
within seconds. All that it says can be read from the tar files, too: it saves going through them.
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
    """A file of a clip: bytes from the clip's begin, how many, and their CRC-32."""

    begin: int
    size: int
    check: int


@dataclass(frozen=True)
class Index:
    """All clips of a set, sorted by key.

    Attributes:
        keys: UTF-8 bytes (clips,).
        shard: int32 (clips,), number of a clip's shard.
        begin: int64 (clips,), bytes from the shard's begin to the clip's.
        length: int64 (clips,), bytes of the clip, all members with their tar headers.
        frames: int32 (clips,).
        size: int32 (clips,), side of the pictures.
        members: (clips, kinds) of ``(begin, size, check)``; a size of 0 where a clip has none.
        kinds: what comes behind the key in a member's name, such as ``mel.npy``.
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
        """Number of a clip; None where there is none of that key."""
        name = np.bytes_(key.encode())
        place = int(np.searchsorted(self.keys, name))
        return place if place < len(self) and self.keys[place] == name else None

    def member(self, clip: int, kind: str) -> Member | None:
        """A file of a clip; None where it has none of that kind."""
        column = self._columns.get(kind)
        if column is None or not self.members[clip, column, 1]:
            return None
        return Member(*self.members[clip, column].tolist())

    def only(self, keys: Container[bytes]) -> Index:
        """The index without the clips of other keys."""
        chosen = np.array([key in keys for key in self.keys.tolist()], bool)
        names = ("keys", "shard", "begin", "length", "frames", "size", "members")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {str(kind): i for i, kind in enumerate(self.kinds)}

    def names(self, clip: int) -> list[str]:
        """The kinds of a clip's files."""
        return [kind for kind, i in self._columns.items() if self.members[clip, i, 1]]

    def to_bytes(self) -> bytes:
        """As a file."""
        file = io.BytesIO()
        np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """From a file.

        Raises:
            ValueError: it is none, or damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                found = {f.name: arrays[f.name] for f in fields(cls)}
        except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
            raise ValueError(f"it is not a shard index ({error})") from None
        return cls(**found | {"made": str(found["made"])})

    @classmethod
    def of(cls, shard: str, clips: Sequence[dict[str, Any]], made: str) -> Index:
        """Of the clips of one shard.

        Args:
            shard: its name.
            clips: of each ``key``, ``begin``, ``length``, ``frames``, ``size``, and ``members``, a
                :class:`Member` by its kind.
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
    def merged(cls, parts: Sequence[Index]) -> Index:
        """Of several shards together."""
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
