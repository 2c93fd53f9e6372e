"""``transcript.json``: what was said; editable by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lipsync.errors import MediaError
from lipsync.translation.segments import Segment, Transcript, Word
from lipsync.translation.work import digest, load, save


def save_transcript(path: Path, transcript: Transcript, made_from: str) -> None:
    """Write a recogniser's transcript; ``made_from`` identifies its inputs."""
    rows = [
        {
            "start": round(segment.start, 3),
            "end": round(segment.end, 3),
            "text": segment.text,
            "words": [[round(w.start, 3), round(w.end, 3), w.text] for w in segment.words],
        }
        for segment in transcript.segments
    ]
    head = {
        "language": transcript.language,
        "doubt": transcript.doubt,
        "made_from": made_from,
        "made": _content(transcript.language, rows),
    }
    save(path, head, "segments", rows)


def load_transcript(path: Path) -> tuple[Transcript, str, bool]:
    """The transcript, what it was made from, and whether it was edited by hand.

    A file written by hand needs ``language`` and ``segments`` with ``start``, ``end`` and ``text``;
    any edit resolves a ``doubt``, and so does emptying it.

    Raises:
        MediaError: it cannot be read; the message names the line of speech.
    """
    value = load(path, "segments")
    rows = value["segments"]
    if not isinstance(value.get("language"), str):
        raise MediaError(path, "has no language", 'add one, e.g. "language": "en"')
    before = 0.0
    segments = []
    for number, row in enumerate(rows, start=1):
        segment = _segment(path, number, row)
        if segment.start < before - 1e-6:
            raise MediaError(
                path,
                f"segment {number} starts before segment {number - 1} ends",
                "correct its times",
            )
        before = segment.end
        segments.append(segment)
    edited = value.get("made") != _content(value["language"], rows)
    doubt = "" if edited else str(value.get("doubt", ""))
    transcript = Transcript(value["language"], tuple(segments), doubt)
    return transcript, str(value.get("made_from", "")), edited


def _segment(path: Path, number: int, row: dict[str, Any]) -> Segment:
    try:
        start, end, text = float(row["start"]), float(row["end"]), str(row["text"])
        words = tuple(Word(float(a), float(b), str(w)) for a, b, w in row.get("words", ()))
    except (KeyError, TypeError, ValueError):
        raise MediaError(
            path, f"segment {number} needs start, end (seconds) and text", "correct it"
        ) from None
    if not 0 <= start < end < float("inf"):
        raise MediaError(
            path,
            f"segment {number} goes from {start} to {end} s",
            "its end must be after its start",
        )
    return Segment(start, end, " ".join(text.split()), words)


def _content(language: str, rows: list[dict[str, Any]]) -> str:
    return digest(language, [[row.get("start"), row.get("end"), row.get("text")] for row in rows])
