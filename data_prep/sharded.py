"""Prepare videos directly into shards; source and output are folders or URLs.

The work is split into parts (:mod:`data_prep.parts`), which are leased (:mod:`data_prep.leases`):
several machines that run the same command share them, and an interrupted run resumes with the
unfinished ones. On its local disk, a worker needs room for one file, its clips and one shard.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Container, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from data_prep import parts
from data_prep.engine import run_jobs
from data_prep.finish import Summary
from data_prep.options import Options
from data_prep.run import check_judge, check_run, resolve_cuts
from data_prep.scan import Source, is_video, make_sources, scan
from data_prep.shard_parts import Recipe
from data_prep.shard_run import ShardRun
from data_prep.splits import check_lists
from data_prep.state import file_version
from lipsync.data.places import Place, is_url, local_or_url
from lipsync.data.shard_index import NAME
from lipsync.errors import ConfigError, check_whole
from lipsync.features import Feature

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
    """Prepare all videos of a folder or URL into shards.

    The machines of a Ray cluster need no shared file system if source and output are URLs; each
    then needs its own credentials for them.

    Args:
        source, output: folders or URLs.
        options, workers, engine, ray_address, splits, reader, progress: see
            :func:`data_prep.run.prepare`.
        redo: any stage; repeats all of them. Use it with a single run: parallel runs would each
            repeat everything.
        quality: JPEG quality, 1 to 100.
        files: number of source files per shard.
        features: extra features to store with each clip.

    Raises:
        ConfigError: no source, no video in it, unusable split lists, or invalid options.
        CheckpointError: the judge cannot be loaded.
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
    sources, versions, lists = _list_source(source, reader)
    with tempfile.TemporaryDirectory(prefix="data_prep-") as scratch:
        folder = _fetch_lists(source, lists, Path(scratch, "lists"))
        try:
            check_lists(folder, sources, shares)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(folder), str(source))) from None
        options = resolve_cuts(options, sources)
        digest = check_judge(options)
        fingerprint = " ".join([options.fingerprints("", digest)["clips"], f"JPEG {quality}",
                         *sorted(map(repr, features))])  # fmt: skip
        run = ShardRun(place, fingerprint, sources, versions, before)
        recipe = Recipe(source, output, options, digest, quality, features, fingerprint, run.name)
        run_all = partial(
            run_jobs, recipe.maker, workers=workers, engine=engine, address=ray_address
        )
        run.work(run.todo(files, remake=redo is not None), run_all, progress)
        return run.finish(folder, Path(scratch, "out"), shares, options)


def _check_output(source: str | Path, place: Place, before: Container[str]) -> None:
    """Raise ConfigError if the output is the source, or holds a set that is not made of parts.

    ``before`` has the names of the output's finished parts.
    """
    root = source if is_url(source) else source.resolve()
    if str(root).rstrip("/") in (place.root, str(place.local and place.local.resolve())):
        raise ConfigError(f"{place.name}: is the source folder; choose another output")
    if before:
        return
    if place.has(NAME):
        raise ConfigError(f"{place.name}: contains shards of convert; choose another output")
    if place.local is not None and (place.local / "filelists").is_dir():
        raise ConfigError(f"{place.name}: contains folders of clips; choose another folder")


def _list_source(
    source: str | Path, reader: str | None
) -> tuple[list[Source], dict[str, str], list[str]]:
    """Videos of a source, their versions by name, and the names of the lists of a remote one.

    A version changes with the file, its span or metadata, and its key.

    Raises:
        ConfigError: no videos, or a reader with a URL.
    """
    if not is_url(source):
        sources = scan(source, reader)
        return sources, {s.name: f"{s.stamp(file_version(s.path))} {s.key}" for s in sources}, []
    if reader is not None:
        raise ConfigError(f"reader={reader}: needs a local source folder, not a URL")
    found = Place(source, "source").walk()
    videos = [name for name in found if is_video(PurePosixPath(name))]
    sources = make_sources(source, filter(_is_path, videos))
    # object names such as a//b and /b are not valid paths; an empty key rejects them
    sources += [Source(source, name, name, name, "") for name in videos if not _is_path(name)]
    lists = [name for name in found if _LIST.fullmatch(name)]
    return sources, {item.name: f"{found[item.file]} {item.key}" for item in sources}, lists


def _is_path(name: str) -> bool:
    return str(PurePosixPath(name)) == name and not name.startswith("/")


def _fetch_lists(source: str | Path, lists: Sequence[str], folder: Path) -> Path:
    """Local folder with the source's lists; downloads those of a remote source to ``folder``."""
    if not is_url(source):
        return Path(source)
    folder.mkdir()
    for name in lists:
        Place(source, "source").fetch(name, folder / name)
    return folder
