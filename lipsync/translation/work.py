"""The work folder: the results of each stage, in files that can be edited by hand.

Each result is stored with its digest. If the two differ, it was edited by hand: the edited version
is used from then on and never overwritten. Anything else is made again only if its inputs have
changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lipsync.errors import MediaError
from lipsync.media import whole_file
from lipsync.media.files import naming_target

Row = dict[str, Any]


def digest(*parts: Any) -> str:
    """A short digest of plain values."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """A short digest of a file's bytes, or of a folder's models; "" if there is neither."""
    if path.is_dir():
        return digest([[f.name, file_digest(f)] for f in sorted(path.glob("*.safetensors"))])
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def save(path: Path, head: Row, rows: str, lines: Sequence[Row]) -> None:
    """Write JSON with one line of text per line of speech, easy to edit by hand."""
    top = "".join(
        f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)},\n" for k, v in head.items()
    )
    body = ",\n".join(f"  {json.dumps(line, ensure_ascii=False)}" for line in lines)
    with whole_file(path) as temporary, naming_target(path):
        temporary.write_text(f"{{\n{top} {json.dumps(rows)}: [\n{body}\n ]\n}}\n", encoding="utf-8")


def load(
    path: Path, rows: str, remedy: str = "correct it, or delete it to have it made again"
) -> Row:
    """Read a file written by :func:`save`, and perhaps edited by hand.

    Raises:
        MediaError: it is not valid JSON, or lacks its rows; the message says where.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise MediaError(path, f"line {error.lineno}: {error.msg}", remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(path, f"cannot be read ({error})", remedy) from None
    if not isinstance(value, dict) or not isinstance(value.get(rows), list):
        raise MediaError(path, f"lacks the list '{rows}'", remedy)
    if not all(isinstance(row, dict) for row in value[rows]):
        raise MediaError(path, f"'{rows}' must hold objects in braces only", remedy)
    return value


def match(
    wanted: Sequence[Row | None],
    old: Sequence[Row],
    edited: Callable[[Row], bool],
    tie: Sequence[str],
) -> list[int | None]:
    """Find the earlier row to reuse for each wanted one.

    An untouched row is reused if all wanted values are equal; an edited one if those named in
    ``tie`` are equal. The row of the same number is preferred.
    """
    is_edited = [edited(row) for row in old]
    free = set(range(len(old)))
    found: list[int | None] = []
    for number, row in enumerate(wanted):
        reused: int | None = None
        if row is not None:
            candidates = [
                k
                for k in free
                if all(old[k].get(key) == row[key] for key in (tie if is_edited[k] else row))
            ]
            reused = min(
                candidates, key=lambda k: (not is_edited[k], abs(k - number)), default=None
            )
        if reused is not None:
            free.discard(reused)
        found.append(reused)
    return found
