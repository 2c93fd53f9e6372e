"""Reading of text and CSV files as people save them: BOMs, CRLF, UTF-16, any separator."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

from lipsync.errors import MediaError

_MARKS = (  # longest first: UTF-32's little-endian mark starts with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | Path) -> str:
    """Read text in UTF-8, UTF-16 or UTF-32, with line endings converted to ``\\n``.

    Raises:
        MediaError: the file cannot be read, or has another encoding; the message names the line.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})", "check the path") from None
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        encoding = "utf-8"
        if b"\0" in data[:2]:  # UTF-16 without a mark: the high byte of ASCII is 0
            encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MediaError(
            path, f"line {line}: is not {encoding.upper()}", "save it as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise MediaError(path, f"line {line}: is not text", "save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(path: str | Path, *columns: str) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with a header, each with its line number.

    Args:
        path: path of the file.
        columns: required columns; others are allowed.

    Raises:
        MediaError: the file cannot be read, lacks a column, or has a row of another length.
    """
    (_, head), *rows = read_rows(path) or [(0, [])]
    if not set(columns) <= set(head) or len(set(head)) < len(head):
        needed = ", ".join(columns)
        raise MediaError(path, f"needs a header of distinct columns with {needed}", "add one")
    for line, cells in rows:
        if len(cells) != len(head):
            problem = f"line {line} has {len(cells)} fields, but the header has {len(head)}"
            raise MediaError(path, problem, "correct it")
    return [(line, dict(zip(head, cells, strict=True))) for line, cells in rows]


def read_rows(path: str | Path) -> list[tuple[int, list[str]]]:
    """Non-blank rows of a CSV file, each with its (last) line number.

    Cells are stripped. The separator is a comma, semicolon or tab, whichever is most frequent in
    the first line.

    Raises:
        MediaError: the file cannot be read, or a quote is not closed.
    """
    lines = read_text(path).split("\n")
    first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    rows = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise MediaError(path, f"line {reader.line_num}: {error}", "correct its quoting") from None
    return rows
