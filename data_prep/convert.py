"""Convert a prepared set between its two forms: one folder per clip, or shards.

Sound, features and metadata are copied unchanged; pictures are JPEG-encoded for shards, and decoded
from them for folders. An interrupted run resumes where it stopped.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep import parts
from data_prep.engine import check_workers, run_jobs
from data_prep.features import clips_below
from data_prep.pool import Failed, storing
from data_prep.shard_writer import ShardWriter, clip_members
from lipsync.data.clips import PreparedClip
from lipsync.data.places import Place, is_url, local_or_url
from lipsync.data.shard_index import NAME, Index
from lipsync.data.shards import PreparedShards
from lipsync.data.store import PreparedFolder, clip_path, open_set, write_clip
from lipsync.errors import ClipError, ConfigError, LipsyncError, check_whole

FORMS = ("shards", "folders")
_PARTS = "parts"  # folder for indices of finished shards, until all are done


@dataclass(frozen=True)
class Conversion:
    """Result of a conversion.

    Attributes:
        clips: number of clips in the output.
        shards: number of tar files; None for folders.
        gigabytes: size of the clips in the tar files, in GB (1e9 bytes); 0 for folders.
        problems: by clip, why it was left out.
    """

    clips: int
    shards: int | None
    gigabytes: float
    problems: dict[str, str]

    def __str__(self) -> str:
        held = "folders" if self.shards is None else f"{self.shards} shards"
        size = "" if self.shards is None else f", {self.gigabytes:.3g} GB"
        lines = [f"{self.clips} clips in {held}{size}"]
        if self.problems:
            lines.append(f"left out: {len(self.problems)}")
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems.values())])


def convert(
    root: str | Path,
    output: str | Path,
    form: str,
    *,
    quality: int = 95,
    clips: int = 1000,
    workers: int = 2,
    progress: bool = True,
) -> Conversion:
    """Write a copy of a prepared set in the other form.

    Args:
        root: the set: a folder, or a URL of shards.
        output: where to write: a folder, or for shards also a URL.
        form: form of the output, ``shards`` or ``folders``.
        quality: JPEG quality, 1 to 100.
        clips: maximum number of clips per shard.
        workers: number of parallel processes; 0 works in this process.
        progress: show a progress bar.

    Raises:
        ConfigError: no set at ``root``, one that already has this form, or invalid options.
        LipsyncError: the output cannot be written.
    """
    check_workers(workers, "processes")
    check_whole("quality", quality, 1, 100)
    check_whole("clips", clips, 1)
    root, output = local_or_url(root), local_or_url(output)
    reader = open_set(root)
    _check(reader, root, output, form)
    if isinstance(reader, PreparedFolder):
        below = clips_below(reader.root, option="root")
        keys = [clip.key for clip in below if isinstance(clip, PreparedClip)]
        if not keys:
            raise ConfigError(f"root={root}: contains no prepared clips")
        work = partial(_to_shards, root, output, quality, clips)
    else:
        keys = [key.decode() for key in reader.index.keys]
        work = partial(_to_folders, root, output)
    with tqdm(total=len(keys), unit="clip", desc=form, disable=None if progress else True) as bar:
        made = work(keys, workers, bar)
    _copy_lists(reader, Place(output, "output"), {key for key in keys if key not in made.problems})
    return made


def _check(reader: Any, root: str | Path, output: str | Path, form: str) -> None:
    if form not in FORMS:
        raise ConfigError(f"form={form}: must be one of {', '.join(FORMS)}")
    if str(root).rstrip("/") == str(output).rstrip("/"):
        raise ConfigError(f"output={output}: is the same as root; choose another output")
    if (form == "shards") != isinstance(reader, PreparedFolder):
        raise ConfigError(f"root={root}: already consists of {form}; copy it instead")
    if form == "folders" and is_url(output):
        raise ConfigError(
            f"output={output}: folders can only be written to a local disk; name a folder"
        )
    if form == "folders" and (Path(output) / NAME).exists():
        raise ConfigError(f"output={output}: holds shards; name another folder")
    is_set = not is_url(output) and (Path(output) / "filelists").is_dir()
    if form == "shards" and is_set and not (Path(output) / NAME).exists():
        raise ConfigError(f"output={output}: contains folders of clips; choose another folder")
    if form == "shards" and parts.names(Place(output, "output")):
        raise ConfigError(
            f"output={output}: holds shards that were prepared from footage; name another place"
        )


def _to_shards(
    root: Path,
    output: str | Path,
    quality: int,
    clips: int,
    keys: list[str],
    workers: int,
    bar: tqdm,
) -> Conversion:
    parts = [keys[i : i + clips] for i in range(0, len(keys), clips)]
    jobs = [(f"shard-{number:05d}", part) for number, part in enumerate(parts)]
    problems: dict[str, str] = {}
    for (_, part), result in _run_all(partial(_shard_maker, root, output, quality), jobs, workers):
        bar.update(len(part))
        problems |= result
    place = Place(output, "output")
    found = [Index.from_bytes(place.read(f"{_PARTS}/{name}.npz")) for name, _ in jobs]
    filled = [part for part in found if len(part)]
    if not filled:
        raise ConfigError(
            f"root={root}: no clip could be read; the first: {min(problems.values())}"
        )
    index = Index.merge(filled)
    place.write(NAME, index.to_bytes())
    for name, _ in jobs:
        place.remove(f"{_PARTS}/{name}.npz")
    if place.local is not None:
        (place.local / _PARTS).rmdir()
    size = int(sum(part.length.sum() for part in filled))
    return Conversion(len(index), len(filled), size / 1e9, problems)


def _shard_maker(root: Path, output: str | Path, quality: int) -> Callable:
    return partial(_make_shard, PreparedFolder(root), Place(output, "output"), quality)


def _make_shard(
    reader: PreparedFolder, place: Place, quality: int, job: tuple[str, list[str]]
) -> dict[str, str]:
    """Write a shard and its index; returns why clips were left out, by key."""
    name, keys = job
    made = f"JPEG {quality}, {len(keys)} clips {zlib.crc32(chr(0).join(keys).encode()):08x}"
    with storing(place):
        try:
            if Index.from_bytes(place.read(f"{_PARTS}/{name}.npz")).made == made:
                return {}
        except (FileNotFoundError, ValueError):
            pass
        problems = {}
        if place.local is not None:
            place.local.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".shard-", dir=place.local) as folder:
            path = Path(folder, f"{name}.tar")
            with ShardWriter(path) as shard:
                for key in keys:
                    try:
                        clip = reader.open(key)
                        shard.add(clip, clip_members(clip, quality))
                    except ClipError as error:
                        problems[key] = str(error)
            if shard.clips:
                place.put(f"{name}.tar", path)
        part = Index.of_shard(f"{name}.tar", shard.clips, made if not problems else "")
        place.write(f"{_PARTS}/{name}.npz", part.to_bytes())
    return problems


def _to_folders(
    root: str | Path, output: Path, keys: list[str], workers: int, bar: tqdm
) -> Conversion:
    problems = {}
    for key, problem in _run_all(partial(_folder_maker, root, output), keys, workers):
        bar.update()
        if problem:
            problems[key] = problem
    return Conversion(len(keys) - len(problems), None, 0.0, problems)


def _folder_maker(root: str | Path, output: Path) -> Callable:
    return partial(_make_folder, PreparedShards(root), output)


def _make_folder(reader: PreparedShards, output: Path, key: str) -> str | None:
    if (clip_path(output, key) / "clip.json").is_file():
        return None
    with storing(Place(output, "output")):
        try:
            clip = reader.open(key)
            arrays = {file: clip.array(file) for file in clip.files}
            parts = {"faces": clip.faces, "wave": clip.wave, "info": clip.info}
        except ClipError as error:
            return str(error)
        write_clip(output, key, **parts, features=arrays)
    return None


def _run_all(setup: Callable, jobs: Sequence[Any], workers: int) -> Iterator[tuple[Any, Any]]:
    for job, result in run_jobs(setup, jobs, workers):
        if isinstance(result, Failed):
            what = job if isinstance(job, str) else job[0]
            raise LipsyncError(f"{what}: {result}; run the same command again")
        yield job, result


def _copy_lists(reader: Any, place: Place, existing: set[str]) -> None:
    for split in reader.splits():
        keys = [key for key in reader.keys(split) if key in existing]
        place.write(f"filelists/{split}.txt", "".join(f"{key}\n" for key in keys).encode())
