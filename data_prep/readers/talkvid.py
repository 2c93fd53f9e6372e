"""TalkVid: JSON files that list spans of YouTube videos, and the downloaded videos or clips.

::

    *.json                                      [{"id": ..., "start-time": 0.1, "end-time": 5.14,
                                                  "info": {"Person ID": "597", "Language": ...,
                                                           "Video Link": "https://...v=<video>"}}]
    <video>/<video>_001_0.100_5.142.mp4         a clip, as named by the corpus's download script
    .../<video>.mp4                             or a whole video
    .../<id>.mp4                                or a clip, named by its id

The speaker is the ``Person ID``, or the video if that is missing. Clips must include their audio.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from data_prep.readers.corpus_clip import YOUTUBE, CorpusClip
from lipsync.errors import ConfigError

_CLIP = re.compile(rf"({YOUTUBE})_\d+_(\d+\.\d+)_(\d+\.\d+)")
_LINK = re.compile(rf"(?:v=|youtu\.be/)({YOUTUBE})")
_LOGS = "json_logs"  # the download script's logs, one per clip


def read(folder: Path, videos: Sequence[PurePath]) -> Iterator[CorpusClip]:
    listed: dict[str, list[dict[str, Any]]] = defaultdict(list)
    named = {}
    for record in _records(folder):
        listed[record["video"]].append(record)
        named[record["id"]] = record
    for path in videos:
        if (record := named.get(path.stem)) is not None:
            yield _clip(path, record, None)
        elif found := _CLIP.fullmatch(path.stem):
            for record in listed.get(found[1], ()):
                if _times(record) == (found[2], found[3]):
                    yield _clip(path, record, None)
                    break
        else:
            for record in listed.get(path.stem, ()):
                yield _clip(path, record, (record["start"], record["end"]))


def _clip(path: PurePath, record: dict[str, Any], span: tuple[float, float] | None) -> CorpusClip:
    speaker = f"person-{record['person']}" if record["person"] else record["video"]
    clip = "-".join(_times(record))
    about = {"language": record["language"]} if record["language"] else {}
    return CorpusClip(path, (speaker, record["video"], clip), span, about)


def _times(record: dict[str, Any]) -> tuple[str, str]:
    return f"{record['start']:.3f}", f"{record['end']:.3f}"


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the lists' entries with a valid link and span, reduced to the fields used here."""
    paths = [path for path in sorted(folder.rglob("*.json")) if _LOGS not in path.parts]
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read as JSON ({error})") from None
        for each in content if isinstance(content, list) else []:
            info = each.get("info") if isinstance(each, dict) else None
            link = _LINK.search(str(info.get("Video Link"))) if isinstance(info, dict) else None
            if link is None:
                continue
            try:
                start, end = float(each["start-time"]), float(each["end-time"])
            except (KeyError, TypeError, ValueError):
                continue
            if end > start:
                yield {
                    "id": str(each.get("id", "")), "video": link[1], "start": start, "end": end,
                    "person": str(info.get("Person ID") or ""),
                    "language": str(info.get("Language") or ""),
                }  # fmt: skip
