from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.manifest import KEPT, REJECTED, Row, read_manifest, write_manifest
from data_prep.splits import check_splits, write_splits
from lipsync.data.store import read_split
from lipsync.errors import ConfigError

SHARES = {"val": 0.05, "test": 0.05}


def test_the_sources_lists_are_taken_over(tmp_path: Path) -> None:
    lists = tmp_path / "in/filelists"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("s/a NF:12\ns/gone\n\ns/c\ns/a\n")
    (lists / "unseen.txt").write_text("../../etc/passwd\n/etc/passwd\ns/b\n")
    keys = {"s/a": ["s/a"], "s/b": ["s/b.000", "s/b.001"], "s/c": ["s/c-1234"], "s/d": []}
    assert write_splits(tmp_path / "in", tmp_path / "out", keys, SHARES) == {
        "train": 2,
        "unseen": 2,
    }
    assert read_split(tmp_path / "out", "train") == ["s/a", "s/c-1234"]
    assert read_split(tmp_path / "out", "unseen") == ["s/b.000", "s/b.001"]


def test_drawn_splits_are_a_partition_that_stays(tmp_path: Path) -> None:
    keys = [f"s{i % 3}/{i}" for i in range(200)]
    counts = write_splits(tmp_path / "in", tmp_path / "a", {k: [k] for k in keys}, SHARES)
    assert counts == {"train": 180, "val": 10, "test": 10}
    drawn = {split: read_split(tmp_path / "a", split) for split in counts}
    assert sorted(key for members in drawn.values() for key in members) == sorted(keys)
    write_splits(tmp_path / "in", tmp_path / "b", {k: [k] for k in reversed(keys)}, SHARES)
    assert {split: read_split(tmp_path / "b", split) for split in counts} == drawn


def test_few_clips_go_to_training_first(tmp_path: Path) -> None:
    for count, expected in [(1, (1, 0, 0)), (4, (4, 0, 0)), (5, (3, 1, 1))]:
        keys = {f"s/{i}": [f"s/{i}"] for i in range(count)}
        made = write_splits(tmp_path, tmp_path / str(count), keys, SHARES)
        assert tuple(made.values()) == expected


def test_clips_of_one_file_go_together(tmp_path: Path) -> None:
    keys = {f"s/{i}": [f"s/{i}.000", f"s/{i}.001"] for i in range(40)}
    counts = write_splits(tmp_path / "in", tmp_path, {**keys, "s/none": []}, SHARES)
    assert counts == {"train": 72, "val": 4, "test": 4}
    files = [{key[:-4] for key in read_split(tmp_path, split)} for split in counts]
    assert sum(map(len, files)) == len(set.union(*files)) == 40


@pytest.mark.parametrize("share", ["10%", None, -0.1, 1.5, True])
def test_shares_that_cannot_work(share: object) -> None:
    check_splits({"val": 0.05, "unseen": ["s1"]})
    with pytest.raises(ConfigError, match=r"^splits\.val: must be a share from 0 to 1, or a list"):
        check_splits({"val": share})


def test_speakers_that_are_asked_for(tmp_path: Path) -> None:
    keys = {f"s{i % 4}/{i}": [f"s{i % 4}/{i}"] for i in range(40)}
    wanted = {"val": 0.1, "unseen": ["s1", "s3"]}
    assert write_splits(tmp_path / "in", tmp_path, keys, wanted) == {
        "train": 18, "val": 2, "unseen": 20
    }  # fmt: skip
    assert {key[:2] for key in read_split(tmp_path, "unseen")} == {"s1", "s3"}
    numbered = {"7/a": ["7/a"], "8/b": ["8/b"]}  # Hydra reads [7] as a number
    assert write_splits(tmp_path / "in", tmp_path, numbered, {"test": [7]})["test"] == 1
    with pytest.raises(ConfigError, match=r"splits.test: there is no clip of s7, s9"):
        write_splits(tmp_path / "in", tmp_path, keys, {"test": ["s9", "s0", "s7"]})


def test_the_manifest_comes_back(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == []
    rows = [
        Row("s/a", "s/ä.mp4", KEPT, frames=75, offset=-1, confidence=0.5),
        Row("s/b", "s/b.mp4", REJECTED, "empty", "0 bytes"),
    ]
    write_manifest(tmp_path, rows)
    assert read_manifest(tmp_path) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]
    (tmp_path / "manifest.jsonl").write_text('{"key": "of another version", "status"')
    assert read_manifest(tmp_path) == []
