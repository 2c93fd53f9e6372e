"""Prepare the clips of one source, stage by stage; results of the stages are cached on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from data_prep.clip_files import clip_metadata, make_clips, write_clips
from data_prep.examine import Tools, examine
from data_prep.footage import Footage, fits_in_memory, open_stretch, probe_source
from data_prep.look import analyse_frames
from data_prep.manifest import REJECTED, Rejected, Row
from data_prep.pool import writing_to
from data_prep.published import PublishedFootage
from data_prep.scan import Source
from data_prep.state import State
from lipsync.data.store import clip_path
from lipsync.windows import FPS


def prepare_source(source: Source, tools: Tools) -> list[Row]:
    """Prepare one source, reusing the cached results of its stages.

    Returns:
        Its manifest rows: one for each kept or rejected clip, or one if the whole file is rejected.

    Raises:
        Stop: the output cannot be written.
    """
    with writing_to(tools.output):
        return _run_stages(source, tools)


def _run_stages(source: Source, tools: Tools) -> list[Row]:
    state = State(tools.output, source.key)
    digest = state.digest(source.path)
    prints = tools.options.fingerprints(source.stamp(digest), tools.judge_digest)
    old_keys = (state.latest("clips") or {}).get("keys", [])

    def stage(name: str, make: Callable[[], Any]) -> Any:
        if (value := state.get(name, prints[name])) is None:
            value = make()
            state.put(name, prints[name], value)
        return value

    try:
        stride, side = tools.options.stride, tools.options.image_size
        if source.path.is_dir():
            about = {"fps": str(FPS), "size": [side, side]}
            footage = PublishedFootage(source.path, side)
            analysis = footage.analyse_frames(stride)  # as fast as reading a cached result
        else:
            about = stage("probe", lambda: probe_source(source.path))
            footage = _footage(source, about)
            analysis = stage("look", lambda: analyse_frames(footage, tools.detector, stride))
        pieces, scores = examine(footage, analysis, tools, stage)
        clips = make_clips(source, pieces, scores, footage, tools)
        keys = [clip.key for clip in clips if not clip.piece.reason]
    except Rejected as why:
        about, clips, keys = {}, [], []
        rows = [Row(source.key, source.name, REJECTED, why.reason, why.detail, hash=digest)]

    # Before any clip is written or removed, record all that may be on disk from now on, so that a
    # later run can remove them.
    state.put("clips", "", {"keys": sorted({*old_keys, *keys}), "rows": []})
    for key in {source.key, *old_keys, *keys}:
        shutil.rmtree(clip_path(tools.output, key), ignore_errors=True)
    if not clips:
        state.put_pictures([])
    else:
        origin = {
            "source": source.name,
            "hash": digest,
            "source_fps": about["fps"],
            "source_size": about["size"],
            "quarter_turns": analysis["turns"],
        }
        if source.span is not None:
            origin["source_span"] = source.span
        metadata_of = partial(clip_metadata, source.about or {}, analysis["frames"])
        rows = write_clips(clips, footage, origin, metadata_of, tools, state)
    state.put("clips", prints["clips"], {"keys": keys, "rows": [asdict(row) for row in rows]})
    return rows


def _footage(source: Source, about: dict[str, Any]) -> Footage:
    """Footage of the whole file, or of the source's span in it."""
    if source.span is None:
        return Footage(source.path, hold=fits_in_memory(about))
    start, end = source.span
    if about["seconds"] and start >= about["seconds"]:
        detail = f"starts at {start:g} s, but the file ends at {about['seconds']:g} s"
        raise Rejected("too_short", detail)
    return open_stretch(source.path, about, start, end - start)
