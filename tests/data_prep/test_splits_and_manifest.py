from __future__ import annotations

import json
from pathlib import Path

from data_prep.manifest import KEPT, REJECTED, Manifest, Row
from data_prep.splits import write_splits
from lipsync.data.store import read_split

SHARES = {"val": 0.05, "test": 0.05}


def test_the_sources_lists_are_taken_over(tmp_path: Path) -> None:
    lists = tmp_path / "in/filelists"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("s/a NF:12\ns/gone\n\ns/c\ns/a\n")
    (lists / "unseen.txt").write_text("../../etc/passwd\n/etc/passwd\ns/b\n")
    keys = {"s/a": "s/a", "s/b": "s/b", "s/c": "s/c-1234"}
    assert write_splits(tmp_path / "in", tmp_path / "out", keys, SHARES) == {
        "train": 2,
        "unseen": 1,
    }
    assert read_split(tmp_path / "out", "train") == ["s/a", "s/c-1234"]
    assert read_split(tmp_path / "out", "unseen") == ["s/b"]


def test_drawn_splits_are_a_partition_that_stays(tmp_path: Path) -> None:
    keys = [f"s{i % 3}/{i}" for i in range(200)]
    counts = write_splits(tmp_path / "in", tmp_path / "a", {k: k for k in keys}, SHARES)
    assert counts == {"train": 180, "val": 10, "test": 10}
    drawn = {split: read_split(tmp_path / "a", split) for split in counts}
    assert sorted(key for members in drawn.values() for key in members) == sorted(keys)
    write_splits(tmp_path / "in", tmp_path / "b", {k: k for k in reversed(keys)}, SHARES)
    assert {split: read_split(tmp_path / "b", split) for split in counts} == drawn


def test_few_clips_go_to_training_first(tmp_path: Path) -> None:
    for count, expected in [(1, (1, 0, 0)), (4, (4, 0, 0)), (5, (3, 1, 1))]:
        keys = {f"s/{i}": f"s/{i}" for i in range(count)}
        made = write_splits(tmp_path, tmp_path / str(count), keys, SHARES)
        assert tuple(made.values()) == expected


ROWS = [Row("s/a", "s/a.mp4", KEPT, frames=75), Row("s/b", "s/b.mp4", REJECTED, "empty", "0 bytes")]


def test_a_killed_run_is_read_back(tmp_path: Path) -> None:
    first = Manifest(tmp_path)
    for row in ROWS:
        first.add(row)
    with (tmp_path / "manifest.journal").open("a") as file:
        file.write('{"key": "s/c", "sour')  # killed in the middle of a line
    again = Manifest(tmp_path)
    assert again.rows == {row.source: row for row in ROWS}
    assert again.finish(["s/b.mp4", "s/a.mp4"]) == ROWS
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.jsonl"]
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert json.loads(lines[1])["reason"] == "empty"


def test_a_row_is_written_behind_half_a_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.journal").write_text('{"key": "s/c", "sour')
    Manifest(tmp_path).add(ROWS[0])
    assert Manifest(tmp_path).rows == {"s/a.mp4": ROWS[0]}


def test_rows_of_files_that_are_gone_are_dropped(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    for row in ROWS:
        manifest.add(row)
    assert manifest.finish(["s/a.mp4"]) == ROWS[:1]
