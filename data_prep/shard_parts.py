"""Make one part of a set: prepare its files one by one and write their clips to a shard."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from data_prep import parts
from data_prep.clip import prepare_source
from data_prep.examine import Tools
from data_prep.leases import Lease
from data_prep.manifest import KEPT, Row
from data_prep.options import Options
from data_prep.parts import Part
from data_prep.pool import Failed, call, storing, writing_to
from data_prep.run import failed_row, worker_tools
from data_prep.scan import Source
from data_prep.shard_writer import ShardWriter, clip_members
from data_prep.state import State
from lipsync.data.places import Place, is_url
from lipsync.data.shard_index import Index
from lipsync.data.store import add_feature, clip_path, open_clip
from lipsync.features import Feature


@dataclass(frozen=True)
class Job:
    """A part to make.

    Attributes:
        part: the part.
        remake: the part was finished before this run, and is to be remade.
        expired: last heartbeat of an expired lease on it; empty if there is none.
    """

    part: Part
    remake: bool = False
    expired: str = ""


@dataclass(frozen=True)
class Busy:
    """Another run holds the lease on the part; ``heartbeat`` is its last heartbeat."""

    heartbeat: str


@dataclass(frozen=True)
class Recipe:
    """How to make the parts of a run; picklable, to be sent to workers.

    Attributes:
        source, output: folders or URLs.
        options: options of the clips.
        digest: digest of the judge.
        quality: JPEG quality, 1 to 100.
        features: extra features to store with each clip.
        fingerprint: identifies everything that affects the clips, apart from the source.
        run: name of this run, for leases.
    """

    source: str | Path
    output: str | Path
    options: Options
    digest: str
    quality: int
    features: Sequence[Feature]
    fingerprint: str
    run: str

    def maker(self) -> Callable[[Job], Busy | int]:
        """Set up a worker; return the function that makes a part."""
        tools = worker_tools(Path(), self.options, self.digest)
        return partial(self.make, Place(self.output, "output"), tools)

    def make(self, place: Place, tools: Tools, job: Job) -> Busy | int:
        """Make a part, unless another run holds it or has finished it.

        Returns:
            The number of files processed here, or :class:`Busy`.

        Raises:
            Stop: the output or the local disk cannot be written.
        """
        part = job.part
        with storing(place):
            lease = Lease(place, f"leases/{part.name}", self.run)
            if heartbeat := lease.claim(job.expired):
                return Busy(heartbeat)
        scratch = tempfile.TemporaryDirectory(prefix="data_prep-")
        with lease, scratch as folder, writing_to(Path(folder)):
            with storing(place):
                if job.remake:
                    parts.mark_unfinished(place, part.name)
                elif parts.read(place, part.name, self.fingerprint) is not None:
                    return 0
            tools = replace(tools, output=Path(folder, "set"))
            tools.output.mkdir()
            path, rows, pictures = Path(folder, part.shard), [], []
            with ShardWriter(path) as shard:
                for item in part.sources:
                    with _local_copy(self.source, item, Path(folder, "source")) as here:
                        found = _prepare_with_retry(here, tools)
                    self._move(found, tools.output, shard)
                    rows += found
                    pictures.append(State(tools.output, item.key).pictures())
            index = Index.of_shard(part.shard, shard.clips, self.fingerprint)
            with storing(place):
                if shard.clips:
                    place.put(part.shard, path)
                parts.write(place, part, self.fingerprint, index, rows, pictures)
        return len(part.sources)

    def _move(self, rows: Sequence[Row], folder: Path, shard: ShardWriter) -> None:
        """Move a file's kept clips from their folder into the shard, and add their features."""
        for row in rows:
            if row.status == KEPT:
                clip = open_clip(folder, row.key)
                for feature in self.features:
                    add_feature(clip, feature)
                shard.add(clip, clip_members(clip, self.quality))
                shutil.rmtree(clip_path(folder, row.key))


@contextmanager
def _local_copy(source: str | Path, item: Source, folder: Path) -> Iterator[Source]:
    """Provide a file locally: a remote one is downloaded to ``folder``, and deleted afterwards."""
    if not is_url(source):
        yield item
        return
    try:
        with suppress(FileNotFoundError):  # deleted since: its row will say that it is unreadable
            Place(source, "source").fetch(item.file, folder / item.file)
        yield replace(item, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare_with_retry(item: Source, tools: Tools) -> list[Row]:
    """Prepare a file, with one retry; return its rows."""
    for _ in range(2):
        found = call(partial(prepare_source, tools=tools), item)
        if not isinstance(found, Failed):
            return found
    return [failed_row(item, found)]
