"""A part of the work: some files, whose clips become one shard.

::

    <output>/shard-<part>.tar      the clips
             parts/<part>.npz      their index
             parts/<part>.jpgs     small pictures of them, for the page
             parts/<part>.jsonl    what it was made from, then its rows; written last
             leases/<part>         who works on it

A part is called by a hash of its files and of all that shapes their clips, and the same one has the
same bytes whoever makes it. Files that change or come later form parts of their own, and those that
are gone leave the index; what no clip of the set lies in any more is removed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from data_prep.manifest import Row, as_line, as_row
from data_prep.scan import Source
from lipsync.data.places import Place
from lipsync.data.shard_index import Index
from lipsync.errors import LipsyncError

_AT_ONCE = 16  # requests


@dataclass(frozen=True, eq=False)
class Part:
    """Files whose clips become one shard. ``versions`` are what they were when it was cut."""

    name: str
    sources: tuple[Source, ...]
    versions: tuple[str, ...]

    @property
    def shard(self) -> str:
        return f"shard-{self.name}.tar"


def cut(
    sources: Sequence[Source], versions: Mapping[str, str], made: str, files: int
) -> list[Part]:
    """Parts of so many files each, in their order; ``made`` is what else shapes the clips."""
    parts = []
    for i in range(0, len(sources), files):
        some = tuple(sources[i : i + files])
        which = tuple(versions[source.name] for source in some)
        content = [made, [[s.name, version] for s, version in zip(some, which, strict=True)]]
        name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        parts.append(Part(name, some, which))
    return parts


@dataclass(frozen=True)
class Stored:
    """A part that is done.

    Attributes:
        name: of the part.
        files: versions of its files, by their names.
        failed: those of them that the program failed on.
        lines: its rows.
    """

    name: str
    files: dict[str, str]
    failed: frozenset[str]
    lines: list[bytes]

    def rows(self) -> Iterator[Row]:
        return map(as_row, self.lines)


def store(
    place: Place, part: Part, made: str, index: Index, rows: Sequence[Row], pictures: list[bytes]
) -> None:
    """Write all of a part but its shard, which is there already; ``pictures`` by file."""
    place.write(f"parts/{part.name}.npz", index.to_bytes())
    arrays = {
        source.name: np.frombuffer(data, np.uint8)
        for source, data in zip(part.sources, pictures, strict=True)
        if data
    }
    names = list(arrays)
    packed = io.BytesIO()
    np.savez(packed, names=np.array(names, "U"), **{str(i): arrays[n] for i, n in enumerate(names)})
    place.write(f"parts/{part.name}.jpgs", packed.getvalue())
    head = {
        "made": made,
        "files": dict(zip((s.name for s in part.sources), part.versions, strict=True)),
        "failed": sorted({row.source for row in rows if row.reason == "failed"}),
    }  # fmt: skip
    lines = [json.dumps(head, ensure_ascii=False) + "\n", *map(as_line, rows)]
    place.write(f"parts/{part.name}.jsonl", "".join(lines).encode("utf-8", "surrogateescape"))


def stored(place: Place, name: str, made: str) -> Stored | None:
    """A part that is done; None if it is not, or was made from something else."""
    try:
        head, *lines = place.read(f"parts/{name}.jsonl").splitlines()
        found = json.loads(head.decode("utf-8", "surrogateescape"))
    except (FileNotFoundError, ValueError):
        return None
    if found.get("made") != made:
        return None
    return Stored(name, found["files"], frozenset(found["failed"]), lines)


def names(place: Place) -> list[str]:
    """Of all parts that are done, of whatever they were made."""
    found = Place(f"{place.root}/parts").sizes()
    return sorted(name.removesuffix(".jsonl") for name in found if name.endswith(".jsonl"))


def all_stored(place: Place, which: Sequence[str], made: str) -> Iterator[Stored]:
    """The parts of these names that are done and were made so, several read at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for begin in range(0, len(which), 8 * _AT_ONCE):
            some = which[begin : begin + 8 * _AT_ONCE]
            found = pool.map(lambda name: stored(place, name, made), some)
            yield from (part for part in found if part is not None)


def pictures(place: Place, name: str) -> dict[str, bytes]:
    """Small pictures of a part, by file; none if they cannot be read."""
    try:
        with np.load(io.BytesIO(place.read(f"parts/{name}.jpgs")), allow_pickle=False) as arrays:
            return {str(n): arrays[str(i)].tobytes() for i, n in enumerate(arrays["names"])}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, LipsyncError):
        return {}


def indices(place: Place, which: Sequence[str]) -> Iterator[tuple[str, Index]]:
    """The names and indices of parts, several read at a time.

    Raises:
        LipsyncError: one is gone, or damaged.
    """

    def read(name: str) -> Index:
        try:
            return Index.from_bytes(place.read(f"parts/{name}.npz"))
        except (FileNotFoundError, ValueError) as error:
            raise LipsyncError(
                f"{place.path(f'parts/{name}.npz')}: is gone or damaged ({error}); if another run "
                f"works there, wait for its end; then run the same command with redo=clips"
            ) from None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(which, pool.map(read, which), strict=True)


def forget(place: Place, name: str) -> None:
    """Remove the sign that a part is done."""
    with suppress(FileNotFoundError):
        place.remove(f"parts/{name}.jsonl")


def remove(place: Place, name: str) -> None:
    """Remove a part and its shard."""
    forget(place, name)
    for file in (f"parts/{name}.npz", f"parts/{name}.jpgs", f"shard-{name}.tar"):
        with suppress(FileNotFoundError):
            place.remove(file)
