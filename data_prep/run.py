"""Prepare a folder of videos: scan it, do what is not done yet, write manifest and split lists."""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
from tqdm import tqdm

from data_prep.clip import Options, file_hash, prepare_clip
from data_prep.engine import Failed, run_jobs
from data_prep.manifest import KEPT, REJECTED, Manifest, Row
from data_prep.scan import Source, scan
from data_prep.splits import write_splits
from lipsync.data.store import clip_path
from lipsync.errors import ConfigError, LipsyncError
from lipsync.faces.detect import get_detector


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        rows: of the manifest, sorted by source.
        splits: clips in each split list.
        done: files that this run worked on; the others were done before.
    """

    rows: list[Row]
    splits: dict[str, int]
    done: int

    @property
    def kept(self) -> list[Row]:
        return [row for row in self.rows if row.status == KEPT]

    @property
    def reasons(self) -> Counter[str]:
        """How many files were rejected, by reason."""
        return Counter(row.reason for row in self.rows if row.status == REJECTED)


def prepare(
    source: str | Path,
    output: str | Path,
    options: Options | None = None,
    *,
    workers: int = 2,
    splits: dict[str, float] | None = None,
    progress: bool = True,
) -> Summary:
    """Prepare all videos of a folder.

    Files that an earlier run with the same options kept or rejected, and that have not changed
    since, are not touched. Whatever is wrong with one file becomes its row in
    ``<output>/manifest.jsonl``.

    Args:
        source: folder of videos, ``<speaker>/<clip>.<ext>``.
        output: folder of the prepared set; nothing is written outside of it.
        options: what shapes a clip.
        workers: processes, of one thread each; 0 works in this process.
        splits: shares of the split lists that are drawn where the source has none.
        progress: show a bar.

    Raises:
        ConfigError: no source, nothing in it, or options that cannot work.
        LipsyncError: the output cannot be written.
    """
    source, output, options = Path(source), Path(output), options or Options()
    if workers < 0:
        raise ConfigError(f"workers must be 0 or more, got {workers}")
    sources = scan(source)
    if output.resolve() == source.resolve():
        raise ConfigError(f"output={output}: is the source folder; name another")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output={output}: cannot be made ({error.strerror})") from None

    manifest = Manifest(output)
    todo = [s for s in sources if not _is_done(s, manifest.rows.get(s.name), output, options)]
    setup = functools.partial(_setup, output, options)
    shares = {"val": 0.05, "test": 0.05} if splits is None else splits
    try:
        with tqdm(total=len(todo), unit="clip", desc="prepare", disable=not progress) as bar:
            frames = 0
            for job, answer in run_jobs(setup, todo, workers):
                row = _failed(job, answer, options) if isinstance(answer, Failed) else answer
                if row.status == REJECTED and row.key:
                    shutil.rmtree(clip_path(output, row.key), ignore_errors=True)
                manifest.add(row)
                frames += row.frames
                elapsed = max(bar.format_dict["elapsed"], 1e-3)
                bar.set_postfix_str(f"{frames / elapsed:.0f} frames/s", refresh=False)
                bar.update()
        rows = manifest.finish(s.name for s in sources)
        kept = {row.source for row in rows if row.status == KEPT}
        keys = {s.listed: s.key for s in sources if s.name in kept}
        counts = write_splits(source, output, keys, shares)
    except OSError as error:
        raise LipsyncError(f"output={output}: cannot be written ({error.strerror})") from error
    return Summary(rows, counts, len(todo))


def _failed(source: Source, why: Failed, options: Options) -> Row:
    return Row(source.key, source.name, REJECTED, "failed", str(why), options=str(options))


def _is_done(source: Source, row: Row | None, output: Path, options: Options) -> bool:
    if (
        row is None
        or row.reason == "failed"
        or row.options != str(options)
        or row.key != source.key
    ):
        return False
    if row.status == KEPT and not (clip_path(output, row.key) / "clip.json").is_file():
        return False
    return row.hash == file_hash(source.path)


def _setup(output: Path, options: Options) -> Callable[[Source], Row]:
    """In a worker: the detector, and no threads of its own."""
    cv2.setNumThreads(1)
    arguments = {"min_score": options.min_score}
    if options.detector == "centerface":
        arguments["threads"] = 1
    detector = get_detector(options.detector, **arguments)
    return functools.partial(prepare_clip, output=output, options=options, detector=detector)
