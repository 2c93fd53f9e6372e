"""Bookkeeping of a run that writes shards: which part holds the clips of each file."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep import parts
from data_prep.finish import Summary, finish
from data_prep.leases import Watch, last_heartbeat
from data_prep.manifest import KEPT, Row, Rows
from data_prep.options import Options
from data_prep.parts import Part
from data_prep.pool import Failed
from data_prep.run import bad_name, failed_row
from data_prep.scan import Source
from data_prep.shard_parts import Busy, Job
from data_prep.state import picture_in
from lipsync.data.places import Place
from lipsync.data.shard_index import NAME, Index

_POLL = 2.0  # seconds between checks on other runs


class ShardRun:
    """One run that writes shards.

    Args:
        place: the output.
        fingerprint: identifies everything that affects the clips, apart from the source.
        sources: all sources.
        versions: version of each source, by name.
        before: names of the parts that were finished before this run.

    Attributes:
        name: identifies the run in leases.
        failed: why a file failed, by name.
        done: number of files processed by this run.
    """

    def __init__(
        self,
        place: Place,
        fingerprint: str,
        sources: Sequence[Source],
        versions: Mapping[str, str],
        before: frozenset[str],
    ) -> None:
        self.place, self.fingerprint, self.sources, self.versions = (
            place,
            fingerprint,
            sources,
            versions,
        )
        self.name = uuid.uuid4().hex
        self.before = before
        self.failed: dict[str, Failed] = {}
        self.done = 0

    def todo(self, files: int, *, remake: bool) -> list[Part]:
        """Split files that no part holds yet into parts of ``files`` each; with ``remake``, all."""
        held = {} if remake else self._holders(sorted(self.before), failed=False)
        left = [item for item in self.sources if item.key and item.name not in held]
        return parts.split(left, self.versions, self.fingerprint, files)

    def work(self, todo: list[Part], run_all: Callable[..., Iterator], progress: bool) -> None:
        """Make the parts; if one fails, retry each of its files in a part of its own."""
        with tqdm(
            total=sum(len(part.sources) for part in todo), unit="file", desc="prepare",
            disable=not progress,
        ) as bar:  # fmt: skip
            failed = self._make_parts(todo, run_all, bar)
            alone = [
                part
                for broken in failed
                for part in parts.split(broken.sources, self.versions, self.fingerprint, 1)
            ]
            for part, why in self._make_parts(alone, run_all, bar).items():
                self.failed[part.sources[0].name] = why
                bar.update()

    def _make_parts(
        self, todo: Sequence[Part], run_all: Callable[..., Iterator], bar: tqdm
    ) -> dict[Part, Failed]:
        """Make the parts, or wait for other runs to make them; return why parts failed."""
        left = {part.name: Job(part, part.name in self.before) for part in todo}
        watch, failed = Watch(), {}
        while left:
            for job, result in run_all(list(left.values())):
                if isinstance(result, Busy):
                    watch.expired(job.part.name, result.heartbeat)
                    continue
                del left[job.part.name]
                if isinstance(result, Failed):
                    failed[job.part] = result
                    continue
                self.done += result
                bar.update(len(job.part.sources))
            if left:
                self._wait(left, watch, bar)
        return failed

    def _wait(self, left: dict[str, Job], watch: Watch, bar: tqdm) -> None:
        """Wait until a part is free; remove from ``left`` those that other runs finish."""
        while left:
            time.sleep(_POLL)
            for name, job in list(left.items()):
                heartbeat = last_heartbeat(self.place, f"leases/{name}")
                if not heartbeat and parts.read(self.place, name, self.fingerprint) is not None:
                    bar.update(len(left.pop(name).part.sources))
                elif not heartbeat or watch.expired(name, heartbeat):
                    left[name] = replace(job, expired=heartbeat)
                    return

    def _holders(self, names: Sequence[str], *, failed: bool) -> dict[str, str]:
        """Map each file to the part that holds its current version.

        Parts that failed on the file are a fallback with ``failed``, and otherwise ignored.
        """
        held: dict[str, str] = {}
        broken: dict[str, str] = {}
        for part in parts.read_all(self.place, names, self.fingerprint):
            for name, version in part.files.items():
                if self.versions.get(name) == version:
                    (broken if name in part.failed else held).setdefault(name, part.name)
        return broken | held if failed else held

    def finish(
        self,
        lists: Path,
        folder: Path,
        shares: Mapping[str, float | list[str]],
        options: Options,
    ) -> Summary:
        """Write the set's manifest, split lists, report and index; remove unused parts.

        Args:
            lists: local folder with the source's lists.
            folder: local scratch folder.
            shares: see :func:`data_prep.splits.write_splits`.
            options: options of the clips.

        Raises:
            LipsyncError: a part's index is missing or damaged, or the output cannot be written.
        """
        held = self._holders(parts.names(self.place), failed=True)
        holder = {item.name: held.get(item.name, "") for item in self.sources}
        keys: dict[str, set[bytes]] = defaultdict(set)

        def counted(rows: Iterable[Row]) -> Iterator[Row]:
            for row in rows:
                if row.status == KEPT:
                    keys[holder[row.source]].add(row.key.encode())
                yield row

        held_pictures = lru_cache(maxsize=32)(partial(parts.pictures, self.place))

        def picture(name: str, number: int) -> np.ndarray | None:
            found = held_pictures(holder[name]) if holder[name] else {}
            return picture_in(found.get(name, b""), number)

        for name in Place(f"{self.place.root}/filelists").sizes():
            self.place.fetch(f"filelists/{name}", folder / "filelists" / name)
        folder.mkdir(exist_ok=True)
        summary = finish(
            lists, folder, counted(self._rows(holder)), self.sources, shares, options, picture,
            self.done,
        )  # fmt: skip
        if keys:
            indices = parts.indices(self.place, sorted(keys))
            found = [index.only(keys[name]) for name, index in indices]
            self.place.write(NAME, Index.merge(found).to_bytes())
        elif self.place.has(NAME):
            self.place.remove(NAME)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.place.put(path.relative_to(folder).as_posix(), path)
        for name in self.before - set(holder.values()):
            parts.remove(self.place, name)
        return replace(summary, output=self.place.root)

    def _rows(self, holder: Mapping[str, str]) -> Rows:
        """All rows, each file's from the part that holds it."""
        rows = Rows()
        for part in parts.read_all(
            self.place, sorted(set(holder.values()) - {""}), self.fingerprint
        ):
            for source, found in groupby(part.rows(), attrgetter("source")):
                if holder.get(source) == part.name:
                    rows[source] = list(found)
        for item in self.sources:
            if not item.key:
                rows[item.name] = [bad_name(item)]
            elif not holder[item.name]:
                why = self.failed.get(item.name) or Failed("changed while being processed")
                rows[item.name] = [failed_row(item, why)]
        return rows
