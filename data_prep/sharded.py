"""Prepare videos right into shards, from a disk or a URL to a disk or a URL.

Work is cut into parts (:mod:`data_prep.parts`), which are leased (:mod:`data_prep.leases`): runs of
the same command on several machines share them, and a run that was stopped goes on with those that
are not done. A worker keeps one file's clips on its own disk at a time, and one shard.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from data_prep import parts
from data_prep.clip import Tools, prepare_source
from data_prep.engine import run_jobs
from data_prep.finish import Summary, finish
from data_prep.leases import Lease, Watch, held_by
from data_prep.manifest import KEPT, Row, Rows
from data_prep.options import Options
from data_prep.parts import Part
from data_prep.pool import Failed, call, storing, writing_to
from data_prep.run import bad_name, check_run, checked_judge, failed_row, with_cuts, worker_tools
from data_prep.scan import Source, is_video, named, scan
from data_prep.shard_writer import ShardWriter, clip_members
from data_prep.splits import check_lists
from data_prep.state import State, file_version, picture_in
from lipsync.data.places import Place, is_url, local_or_url
from lipsync.data.shard_index import NAME, Index
from lipsync.data.store import add_feature, clip_path, open_clip
from lipsync.errors import ConfigError, check_whole
from lipsync.features import Feature

_POLL = 2.0  # seconds between two looks at what other runs do
_LIST = re.compile(r"filelists/[^/]+\.txt|(train|val|test|pretrain)\.txt")


def prepare_shards(
    source: str | Path,
    output: str | Path,
    options: Options | None = None,
    *,
    workers: int = 2,
    engine: str = "processes",
    ray_address: str | None = None,
    splits: dict[str, float | list[str]] | None = None,
    redo: str | None = None,
    quality: int = 95,
    files: int = 100,
    features: Sequence[Feature] = (),
    reader: str | None = None,
    progress: bool = True,
) -> Summary:
    """Prepare all videos of a folder or a URL into shards.

    Args:
        source, output: folders or URLs.
        options, workers, engine, ray_address, splits, reader, progress: see
            :func:`data_prep.run.prepare`.
            Machines of a Ray cluster need to share neither source nor output where these are URLs;
            each needs keys for them of its own.
        redo: any stage; everything is done again. For one run alone: several do it all each.
        quality: of JPEGs, 1 to 100.
        files: whose clips one shard holds.
        features: that are stored besides those that every set has.

    Raises:
        ConfigError: no source, nothing in it, lists that leak, or options that cannot work.
        LipsyncError: the output cannot be written.
    """
    options = options or Options()
    shares = {"val": 0.05, "test": 0.05} if splits is None else splits
    check_run(workers, engine, redo, shares)
    check_whole("quality", quality, 1, 100)
    check_whole("files", files, 1)
    source, output = local_or_url(source), local_or_url(output)
    place = Place(output, "output")
    before = frozenset(parts.names(place))
    _check_output(source, place, before)
    sources, versions, lists = _listed(source, reader)
    with tempfile.TemporaryDirectory(prefix="data_prep-") as scratch:
        folder = _fetched(source, lists, Path(scratch, "lists"))
        try:
            check_lists(folder, sources, shares)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(folder), str(source))) from None
        options = with_cuts(options, sources)
        digest = checked_judge(options)
        made = " ".join([options.fingerprints("", digest)["clips"], f"JPEG {quality}",
                         *sorted(map(repr, features))])  # fmt: skip
        run = _Run(place, made, sources, versions, before)
        setup = partial(_maker, source, output, options, digest, quality, features, made, run.name)
        run_all = partial(run_jobs, setup, workers=workers, engine=engine, address=ray_address)
        run.work(run.todo(files, again=redo is not None), run_all, progress)
        return run.finish(folder, Path(scratch, "out"), shares, options)


def _check_output(source: str | Path, place: Place, before: Container[str]) -> None:
    """Raise ConfigError where the output is something else; ``before``: parts that it has."""
    root = source if is_url(source) else source.resolve()
    if str(root).rstrip("/") in (place.root, str(place.local and place.local.resolve())):
        raise ConfigError(f"{place.name}: is the source itself; name another place")
    if before:
        return
    if place.has(NAME):
        raise ConfigError(f"{place.name}: holds shards that convert wrote; name another place")
    if place.local is not None and (place.local / "filelists").is_dir():
        raise ConfigError(f"{place.name}: holds folders of clips; name another folder")


def _listed(
    source: str | Path, reader: str | None
) -> tuple[list[Source], dict[str, str], list[str]]:
    """The videos of a source, their versions by their names, and its lists.

    A version is what changes when the file, what is said of it, or its key does.
    """
    if not is_url(source):
        sources = scan(source, reader)
        return sources, {s.name: f"{s.stamp(file_version(s.path))} {s.key}" for s in sources}, []
    if reader is not None:
        raise ConfigError(f"reader={reader}: works on a folder of this machine, not on a URL")
    found = Place(source, "source").walk()
    videos = [name for name in found if is_video(PurePosixPath(name))]
    sources = named(source, filter(_is_path, videos))
    # A bucket may hold a//b and /b, which are no paths of a disk.
    sources += [Source(source, name, name, name, "") for name in videos if not _is_path(name)]
    lists = [name for name in found if _LIST.fullmatch(name)]
    return sources, {item.name: f"{found[item.file]} {item.key}" for item in sources}, lists


def _is_path(name: str) -> bool:
    return str(PurePosixPath(name)) == name and not name.startswith("/")


def _fetched(source: str | Path, lists: Sequence[str], folder: Path) -> Path:
    """A folder of this machine with the source's lists."""
    if not is_url(source):
        return Path(source)
    folder.mkdir()
    for name in lists:
        Place(source, "source").fetch(name, folder / name)
    return folder


@dataclass(frozen=True)
class _Job:
    """A part to make.

    Attributes:
        again: it was done before this run, which does not count.
        expired: the last sign of life of a run that held it.
    """

    part: Part
    again: bool = False
    expired: str = ""


@dataclass(frozen=True)
class _Busy:
    """Another run holds the part; its last sign of life."""

    sign: str


def _maker(
    source: str | Path,
    output: str | Path,
    options: Options,
    digest: str,
    quality: int,
    features: Sequence[Feature],
    made: str,
    run: str,
) -> Callable[[_Job], _Busy | int]:
    """In a worker: what makes a part."""
    tools = worker_tools(Path(), options, digest)
    place = Place(output, "output")
    return partial(_make, source, place, tools, quality, features, made, run)


def _make(
    source: str | Path,
    place: Place,
    tools: Tools,
    quality: int,
    features: Sequence[Feature],
    made: str,
    run: str,
    job: _Job,
) -> _Busy | int:
    """Make a part, unless another run holds it; how many of its files were worked on here."""
    part = job.part
    with storing(place):
        lease = Lease(place, f"leases/{part.name}", run)
        if sign := lease.claim(job.expired):
            return _Busy(sign)
    scratch = tempfile.TemporaryDirectory(prefix="data_prep-")
    with lease, scratch as folder, writing_to(Path(folder)):
        with storing(place):
            if job.again:
                parts.forget(place, part.name)
            elif parts.stored(place, part.name, made) is not None:
                return 0
        tools = replace(tools, output=Path(folder, "set"))
        tools.output.mkdir()
        path, rows, pictures = Path(folder, part.shard), [], []
        with ShardWriter(path) as shard:
            for item in part.sources:
                with _at_hand(source, item, Path(folder, "source")) as here:
                    found = _prepared(here, tools)
                for row in found:
                    if row.status == KEPT:
                        clip = open_clip(tools.output, row.key)
                        for feature in features:
                            add_feature(clip, feature)
                        shard.add(clip, clip_members(clip, quality))
                        shutil.rmtree(clip_path(tools.output, row.key))
                rows += found
                pictures.append(State(tools.output, item.key).pictures())
        index = Index.of(part.shard, shard.clips, made)
        with storing(place):
            if shard.clips:
                place.put(part.shard, path)
            parts.store(place, part, made, index, rows, pictures)
    return len(part.sources)


@contextmanager
def _at_hand(source: str | Path, item: Source, folder: Path) -> Iterator[Source]:
    """The file on this machine's disk; one behind a URL is copied and removed again."""
    if not is_url(source):
        yield item
        return
    try:
        with suppress(FileNotFoundError):  # gone since: it cannot be read, and its row says so
            Place(source, "source").fetch(item.file, folder / item.file)
        yield replace(item, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepared(item: Source, tools: Tools) -> list[Row]:
    """The rows of a file; what fails is tried once more."""
    for _ in range(2):
        found = call(partial(prepare_source, tools=tools), item)
        if not isinstance(found, Failed):
            return found
    return [failed_row(item, found)]


class _Run:
    """The sources of one run, and which part holds the clips of each."""

    def __init__(
        self,
        place: Place,
        made: str,
        sources: Sequence[Source],
        versions: Mapping[str, str],
        before: frozenset[str],
    ) -> None:
        self.place, self.made, self.sources, self.versions = place, made, sources, versions
        self.name = uuid.uuid4().hex
        self.before = before  # names of parts
        self.failed: dict[str, Failed] = {}  # by the file's name
        self.done = 0

    def todo(self, files: int, *, again: bool) -> list[Part]:
        """Parts of the files that no part holds yet, or ``again`` of all."""
        held = {} if again else self._holders(sorted(self.before), failed=False)
        left = [item for item in self.sources if item.key and item.name not in held]
        return parts.cut(left, self.versions, self.made, files)

    def work(self, todo: list[Part], run_all: Callable[..., Iterator], progress: bool) -> None:
        """Make the parts; a file that takes its part down is then alone in one."""
        with tqdm(
            total=sum(len(part.sources) for part in todo), unit="file", desc="prepare",
            disable=not progress,
        ) as bar:  # fmt: skip
            failed = self._made(todo, run_all, bar)
            alone = [
                part
                for broken in failed
                for part in parts.cut(broken.sources, self.versions, self.made, 1)
            ]
            for part, why in self._made(alone, run_all, bar).items():
                self.failed[part.sources[0].name] = why
                bar.update()

    def _made(
        self, todo: Sequence[Part], run_all: Callable[..., Iterator], bar: tqdm
    ) -> dict[Part, Failed]:
        """Make the parts, or wait until other runs have; those that failed, and why."""
        left = {part.name: _Job(part, part.name in self.before) for part in todo}
        watch, failed = Watch(), {}
        while left:
            for job, result in run_all(list(left.values())):
                if isinstance(result, _Busy):
                    watch.expired(job.part.name, result.sign)
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

    def _wait(self, left: dict[str, _Job], watch: Watch, bar: tqdm) -> None:
        """Until a part is free; takes those out that others have done."""
        while left:
            time.sleep(_POLL)
            for name, job in list(left.items()):
                sign = held_by(self.place, f"leases/{name}")
                if not sign and parts.stored(self.place, name, self.made) is not None:
                    bar.update(len(left.pop(name).part.sources))
                elif not sign or watch.expired(name, sign):
                    left[name] = replace(job, expired=sign)
                    return

    def _holders(self, names: Sequence[str], *, failed: bool) -> dict[str, str]:
        """The part that holds each file, as it is now; ``failed``: else one that failed on it."""
        held: dict[str, str] = {}
        broken: dict[str, str] = {}
        for part in parts.all_stored(self.place, names, self.made):
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
        """Write all that is about the set as a whole; ``folder`` is of this machine."""
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
        made = finish(
            lists, folder, counted(self._rows(holder)), self.sources, shares, options, picture,
            self.done,
        )  # fmt: skip
        if keys:
            indices = parts.indices(self.place, sorted(keys))
            found = [index.only(keys[name]) for name, index in indices]
            self.place.write(NAME, Index.merged(found).to_bytes())
        elif self.place.has(NAME):
            self.place.remove(NAME)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.place.put(path.relative_to(folder).as_posix(), path)
        for name in self.before - set(holder.values()):
            parts.remove(self.place, name)
        return replace(made, output=self.place.root)

    def _rows(self, holder: Mapping[str, str]) -> Rows:
        """All rows, of each file from the part that holds it."""
        rows = Rows()
        for part in parts.all_stored(self.place, sorted(set(holder.values()) - {""}), self.made):
            for source, found in groupby(part.rows(), attrgetter("source")):
                if holder.get(source) == part.name:
                    rows[source] = list(found)
        for item in self.sources:
            if not item.key:
                rows[item.name] = [bad_name(item)]
            elif not holder[item.name]:
                why = self.failed.get(item.name) or Failed("it changed while it was worked on")
                rows[item.name] = [failed_row(item, why)]
        return rows
