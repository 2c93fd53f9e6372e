"""Parts: the units of work. A part is a group of source files whose clips form one shard.

::

    <output>/shard-<part>.tar      the clips
             parts/<part>.npz      the index of the shard
             parts/<part>.jpgs     thumbnails, for the report
             parts/<part>.jsonl    what it was made from, then its manifest rows; written last
             leases/<part>         the lease of the run that works on it

A part's name is a hash of its files and of everything that affects their clips, and the same part
has the same bytes whichever run makes it. Changed and new files form new parts; deleted files leave
the index; a part that no longer holds any clip of the set is removed.
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

_AT_ONCE = 16  # parallel requests


@dataclass(frozen=True, eq=False)
class Part:
    """Files whose clips form one shard, with their ``versions`` when the part was planned."""

    name: str
    sources: tuple[Source, ...]
    versions: tuple[str, ...]

    @property
    def shard(self) -> str:
        return f"shard-{self.name}.tar"


def split(
    sources: Sequence[Source], versions: Mapping[str, str], fingerprint: str, files: int
) -> list[Part]:
    """Split sources, in order, into parts of at most ``files`` files each.

    ``versions`` maps a source's name to its version; ``fingerprint`` identifies the options that
    affect the clips.
    """
    parts = []
    for i in range(0, len(sources), files):
        group = tuple(sources[i : i + files])
        part_versions = tuple(versions[source.name] for source in group)
        content = [
            fingerprint,
            [[s.name, version] for s, version in zip(group, part_versions, strict=True)],
        ]
        name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        parts.append(Part(name, group, part_versions))
    return parts


@dataclass(frozen=True)
class StoredPart:
    """A finished part, as stored.

    Attributes:
        name: the part's name.
        files: version of each file, by name.
        failed: names of the files on which the program failed.
        lines: manifest rows, as JSON lines.
    """

    name: str
    files: dict[str, str]
    failed: frozenset[str]
    lines: list[bytes]

    def rows(self) -> Iterator[Row]:
        return map(as_row, self.lines)


def write(
    place: Place,
    part: Part,
    fingerprint: str,
    index: Index,
    rows: Sequence[Row],
    pictures: list[bytes],
) -> None:
    """Write everything but the shard, which is already in place.

    ``pictures`` has the thumbnails of each file as a JPEG, or no bytes.
    """
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
    header = {
        "made": fingerprint,
        "files": dict(zip((s.name for s in part.sources), part.versions, strict=True)),
        "failed": sorted({row.source for row in rows if row.reason == "failed"}),
    }  # fmt: skip
    lines = [json.dumps(header, ensure_ascii=False) + "\n", *map(as_line, rows)]
    place.write(f"parts/{part.name}.jsonl", "".join(lines).encode("utf-8", "surrogateescape"))


def read(place: Place, name: str, fingerprint: str) -> StoredPart | None:
    """Read a finished part; None if it is unfinished, or its ``fingerprint`` differs."""
    try:
        first, *lines = place.read(f"parts/{name}.jsonl").splitlines()
        header = json.loads(first.decode("utf-8", "surrogateescape"))
    except (FileNotFoundError, ValueError):
        return None
    if header.get("made") != fingerprint:
        return None
    return StoredPart(name, header["files"], frozenset(header["failed"]), lines)


def names(place: Place) -> list[str]:
    """Names of all finished parts, whatever options they were made with."""
    found = Place(f"{place.root}/parts").sizes()
    return sorted(name.removesuffix(".jsonl") for name in found if name.endswith(".jsonl"))


def read_all(place: Place, part_names: Sequence[str], fingerprint: str) -> Iterator[StoredPart]:
    """Yield the named parts that are finished and have this fingerprint, read in parallel."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for begin in range(0, len(part_names), 8 * _AT_ONCE):
            batch = part_names[begin : begin + 8 * _AT_ONCE]
            found = pool.map(lambda name: read(place, name, fingerprint), batch)
            yield from (part for part in found if part is not None)


def pictures(place: Place, name: str) -> dict[str, bytes]:
    """Thumbnails of a part, by file; empty if they cannot be read."""
    try:
        with np.load(io.BytesIO(place.read(f"parts/{name}.jpgs")), allow_pickle=False) as arrays:
            return {str(n): arrays[str(i)].tobytes() for i, n in enumerate(arrays["names"])}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, LipsyncError):
        return {}


def indices(place: Place, part_names: Sequence[str]) -> Iterator[tuple[str, Index]]:
    """Yield the name and index of each part, read in parallel.

    Raises:
        LipsyncError: an index is missing or damaged.
    """

    def read_index(name: str) -> Index:
        try:
            return Index.from_bytes(place.read(f"parts/{name}.npz"))
        except (FileNotFoundError, ValueError) as error:
            raise LipsyncError(
                f"{place.path(f'parts/{name}.npz')}: is gone or damaged ({error}); if another run "
                f"works there, wait for its end; then run the same command with redo=clips"
            ) from None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(part_names, pool.map(read_index, part_names), strict=True)


def mark_unfinished(place: Place, name: str) -> None:
    """Mark a part as unfinished, by deleting its ``.jsonl``."""
    with suppress(FileNotFoundError):
        place.remove(f"parts/{name}.jsonl")


def remove(place: Place, name: str) -> None:
    """Remove a part and its shard."""
    mark_unfinished(place, name)
    for file in (f"parts/{name}.npz", f"parts/{name}.jpgs", f"shard-{name}.tar"):
        with suppress(FileNotFoundError):
            place.remove(file)
