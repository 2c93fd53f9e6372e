"""The manifest on disk."""

from __future__ import annotations

from pathlib import Path

from data_prep.manifest import KEPT, REJECTED, Row, read_manifest, write_manifest


def test_the_manifest_comes_back(tmp_path: Path) -> None:
    assert list(read_manifest(tmp_path)) == []
    rows = [
        Row("s/a", "s/ä.mp4", KEPT, frames=75, offset=-1, confidence=0.5),
        Row("s/b", "s/b.mp4", REJECTED, "empty", "0 bytes"),
    ]
    write_manifest(tmp_path, rows)
    assert list(read_manifest(tmp_path)) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]
    (tmp_path / "manifest.jsonl").write_text('{"key": "of another version", "status"')
    assert list(read_manifest(tmp_path)) == []
