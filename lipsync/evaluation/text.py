"""Plain text: aligned tables, signed offsets, atomically written files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lipsync.media import whole_file
from lipsync.plain import plain


def aligned(head: Sequence[str], cells: Iterable[Sequence[str]], right: Sequence[str]) -> list[str]:
    """Lines of a table with padded columns; those named in ``right`` are right-aligned."""
    rows = [list(row) for row in cells]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return [
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ).rstrip()
        for row in [list(head), rule, *rows]
    ]


def signed(offset: float) -> str:
    """An offset with its sign, zero without one."""
    return f"{offset:+g}" if offset else "0"


def tenths(offset: float | None) -> str:
    """An offset to a tenth of a frame with its sign; a dash for none."""
    if offset is None:
        return "-"
    rounded = round(offset, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def scaled(value: float) -> str:
    """A normalised number with its sign, zero without one."""
    rounded = round(value, 2)
    return f"{rounded:+.2f}" if rounded else "0.00"


def write_text(path: Path, text: str) -> Path:
    """Write a text file atomically."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, value: Any) -> Path:
    """Write a value as JSON (see :func:`lipsync.plain.plain`) atomically."""
    text = json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False)
    return write_text(path, f"{text}\n")
