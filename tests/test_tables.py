"""Texts and tables in the encodings that users save them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipsync.errors import MediaError
from lipsync.tables import read_rows, read_text


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_text_reads_alike_in_every_encoding(tmp_path: Path, encoding: str, newline: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(newline.join(["face,é", "数,x", ""]).encode(encoding))
    assert read_text(path) == "face,é\n数,x\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("one\nse\xf1or".encode("latin-1"), "line 2: is not UTF-8; save it as UTF-8"),
        (b"one\ntwo\nth\0ree", "line 3: is not text"),
        (b"\xff\xfea\0b", "line 1: is not UTF-16"),
    ],
)
def test_another_encoding_is_one_line_that_names_the_line(tmp_path, data, problem) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=problem):
        read_text(path)
    with pytest.raises(MediaError, match="missing: cannot be read"):
        read_text(tmp_path / "missing")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_with_any_separator(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(separator.join(["a", " b "]) + "\n\n" + separator.join(['"1\n2"', "'"]) + "\n")
    assert read_rows(path) == [(1, ["a", "b"]), (4, ["1\n2", "'"])]
    path.write_text('a,b\n"1,2\n')
    with pytest.raises(MediaError, match=r"line \d: unexpected end of data; correct its quoting"):
        read_rows(path)
