"""Corpora in the layouts in which they are distributed, with empty files."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.corpora import is_grid
from data_prep.manifest import KEPT, Row
from data_prep.scan import scan
from data_prep.splits import write_splits
from lipsync.data.store import read_split


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def splits(source: Path, output: Path) -> dict[str, list[str]]:
    kept = {item.list_name: [Row(item.key, item.name, KEPT)] for item in scan(source)}
    made = write_splits(source, output, kept, {"val": 0.05, "test": 0.05})
    return {split: read_split(output, split) for split, keys in made.lists.items() if keys}


@pytest.mark.parametrize("place", ["mvlrs_v1", "."])
def test_lrs2_with_its_lists(tmp_path: Path, place: str) -> None:
    """The lists are distributed separately: they may be in the folder or in the one above."""
    names = [f"main/{video}/0000{clip}" for video in (11, 12, 13) for clip in (1, 2)]
    source = touch(tmp_path / "lrs2/mvlrs_v1", *(f"{name}.mp4" for name in names))
    touch(source, *(f"{name}.txt" for name in names), "pretrain/11/00001.mp4")
    lists = source.parent / place
    (lists / "train.txt").write_text("11/00001\n11/00002\n../../etc/passwd\n12/00009\n")
    (lists / "val.txt").write_text("12/00001\n12/00002\n")
    (lists / "test.txt").write_text("13/00001 NF:12\n13/00002 NF:7\n")
    (lists / "pretrain.txt").write_text("11/00001\n")
    assert splits(source, tmp_path / "out") == {
        "train": ["11/00001", "11/00002"],
        "val": ["12/00001", "12/00002"],
        "test": ["13/00001", "13/00002"],
        "pretrain": ["11/pretrain-00001"],
    }


def test_lrs3_by_its_folders(tmp_path: Path) -> None:
    names = [f"trainval/v{i}/5000{k}.mp4" for i in range(60) for k in (1, 2)]
    source = touch(tmp_path / "lrs3", *names, "test/t1/00001.mp4")
    touch(source, *(f"pretrain/v{i}/50009.mp4" for i in range(90)))
    found = splits(source, tmp_path / "out")
    assert found["test"] == ["t1/00001"]
    assert sorted(found["train"] + found["val"]) == sorted(
        f"v{i}/5000{k}" for i in range(60) for k in (1, 2)
    )
    videos = [{key.split("/")[0] for key in found[split]} for split in ("train", "val")]
    assert not videos[0] & videos[1]  # no video in both
    assert 2 <= len(videos[1]) <= 6  # three of sixty expected
    assert {key.split("/")[0] for key in found["pretrain"]} == {
        f"v{i}" for i in range(90)
    } - videos[1]


def test_lrs_without_lists_is_drawn_by_video(tmp_path: Path) -> None:
    touch(tmp_path / "in", *(f"main/v{i}/0000{k}.mp4" for i in range(6) for k in range(5)))
    found = splits(tmp_path / "in", tmp_path / "out")
    videos = [{key.split("/")[0] for key in keys} for keys in found.values()]
    assert sorted(map(len, videos)) == [1, 1, 4]


def test_voxceleb2_by_its_folders_and_ids(tmp_path: Path) -> None:
    names = [f"id{i:05}/v{v}/{k:05}" for i in range(60) for v in (1, 2) for k in (1, 2)]
    tops = ["test" if name < "id00010" else "dev" for name in names]
    files = [f"{top}/mp4/{name}.mp4" for top, name in zip(tops, names, strict=True)]
    source = touch(tmp_path / "vox", *files)
    found = splits(source, tmp_path / "out")
    assert sorted(key for keys in found.values() for key in keys) == sorted(names)
    people = {split: {key.split("/")[0] for key in keys} for split, keys in found.items()}
    assert people["test"] == {f"id{i:05}" for i in range(10)}
    assert 1 <= len(people["val"]) <= 5
    assert not people["val"] & people["train"]
    alone = splits(touch(tmp_path / "dev", *files[40:]), tmp_path / "alone")
    assert set(alone) == {"train", "val", "test"}


def test_grid_as_its_archives_unpack(tmp_path: Path) -> None:
    touch(tmp_path, "s1/bbaf2n.mpg", "s2/video/mpg_6000/bbaf1n.mpg", "s1/align/bbaf2n.align")
    assert [item.key for item in scan(tmp_path)] == ["s1/bbaf2n", "s2/video/mpg_6000/bbaf1n"]


@pytest.mark.parametrize(
    ("names", "grid"),
    [(["bbaf2n", "lwwz9s", "PRIZZA"], True), (["bbaf2n", "interview"], False), ([], False)],
)
def test_grid_is_known_by_its_sentences(names: list[str], grid: bool) -> None:
    assert is_grid([f"s1/{name}.mpg" for name in names]) == grid


def test_folders_that_are_only_called_so(tmp_path: Path) -> None:
    touch(tmp_path, "main/a/1.mp4", "other/a/1.mp4")
    assert {item.key for item in scan(tmp_path)} == {"main/a/1", "other/a/1"}
