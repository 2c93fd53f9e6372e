"""``translation.json``: every line in the target language, editable by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lipsync.errors import MediaError
from lipsync.translation.segments import Segment
from lipsync.translation.work import Row, load, match, save


def update_translation(
    path: Path,
    segments: Sequence[Segment],
    wanted: Sequence[Row],
    translate: Callable[[int], str],
    progress: Callable[[int, int], None],
) -> tuple[list[str], int, list[str]]:
    """Bring the file up to date with the transcript.

    A line corrected by hand is kept, even if its source text has changed since (with a note; to
    have it translated again, delete it from the file). An empty text is a silent line.

    Args:
        path: the file.
        segments: the lines of the transcript.
        wanted: what each translation depends on, as plain values: "source" and the engine; "made"
            is a given translation.
        translate: returns the translation of line k.
        progress: called with lines done and lines in total.

    Returns:
        The text of each line, the number of lines translated by this call, and notes.
    """
    old, set_aside = _read_rows(path)
    tie = ["source", "made"] if any("made" in row for row in wanted) else ["source"]
    found = match(wanted, old, _is_edited, tie)
    notes = _keep_corrections(segments, old, found, set_aside, path)
    head = {"set_aside": set_aside} if set_aside else {}
    times = [{"start": round(s.start, 3), "end": round(s.end, 3)} for s in segments]
    rows: list[Row | None] = [
        None if k is None else time | _content(old[k]) for time, k in zip(times, found, strict=True)
    ]
    translated = 0
    for number, segment in enumerate(segments):
        if rows[number] is None:
            row = wanted[number]
            text = row["made"] if "made" in row else translate(number) if segment.text else ""
            new = {"source": "", "text": text, "engine": None, "made": text}
            rows[number] = times[number] | new | row
            translated += 1
            save(path, head, "lines", [row for row in rows if row is not None])
        progress(number + 1, len(segments))
    save(path, head, "lines", [row for row in rows if row is not None])
    return [" ".join(str(row["text"]).split()) for row in rows if row], translated, notes


def _read_rows(path: Path) -> tuple[list[Row], list[Row]]:
    if not path.exists():
        return [], []
    value = load(path, "lines")
    rows = value["lines"]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("text"), str):
            raise MediaError(path, f"line {number} has no text", "add it, or delete the line")
    return rows, list(value.get("set_aside", ()))


def _is_edited(row: Row) -> bool:
    return row["text"] != row.get("made")


def _content(row: Row) -> Row:
    kept = {key: row.get(key, "") for key in ("source", "text", "engine", "made")}
    return kept | ({"terms": row["terms"]} if "terms" in row else {})


def _keep_corrections(
    segments: Sequence[Segment],
    old: Sequence[Row],
    found: list[int | None],
    set_aside: list[Row],
    path: Path,
) -> list[str]:
    """Move corrections whose source has changed to the line at their time, or set them aside."""
    notes = []
    used = {k for k in found if k is not None}
    for k, row in enumerate(old):
        if k in used or not _is_edited(row):
            continue
        start, end = _seconds(row.get("start")), _seconds(row.get("end"))
        shared = [min(end, s.end) - max(start, s.start) for s in segments]
        open_numbers = [n for n, f in enumerate(found) if f is None and shared[n] > 0]
        if open_numbers:
            number = max(open_numbers, key=shared.__getitem__)
            found[number] = k
            notes.append(
                f"{path}: line {number + 1} was corrected by hand and is kept although its "
                "source has changed; delete it to have it retranslated"
            )
        else:
            set_aside.append(row)
            notes.append(
                f"{path}: no line is left for the correction '{row['text'][:60]}'; it was moved "
                "to set_aside"
            )
    return notes


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
