"""Split lists: existing or drawn, and overlap between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.manifest import KEPT, Row
from data_prep.overlap import Overlap
from data_prep.scan import Source
from data_prep.splits import Splits, check_lists, check_splits, write_splits
from lipsync.data.store import read_split
from lipsync.errors import ConfigError

SHARES = {"val": 0.05, "test": 0.05}


def write(root: Path, keys: dict[str, list[str]] | list[str], wanted: dict = SHARES) -> Splits:
    """Lists for ``root/in``; ``keys``: of the clips from each file, one minute each."""
    keys = keys if isinstance(keys, dict) else {key: [key] for key in keys}
    kept = {
        name: [Row(key, f"{name}.mp4", KEPT, frames=1500) for key in own]
        for name, own in keys.items()
    }
    return write_splits(root / "in", root / "out", kept, wanted)


def check(root: Path, keys: list[str], wanted: dict = SHARES) -> None:
    check_lists(
        root / "in", [Source(root, f"{key}.mp4", f"{key}.mp4", key, key) for key in keys], wanted
    )


def lists(root: Path, **content: str) -> None:
    (root / "in/filelists").mkdir(parents=True, exist_ok=True)
    for split, text in content.items():
        (root / f"in/filelists/{split}.txt").write_text(text)


def tree(speakers: int, videos: int, clips: int) -> list[str]:
    """Keys in VoxCeleb2's format."""
    return [
        f"p{s:03}/v{s}x{v}/{c:05}"
        for s in range(speakers) for v in range(videos) for c in range(clips)
    ]  # fmt: skip


def parts(splits: Splits, depth: int) -> dict[str, set[str]]:
    """Speakers (1) or videos (2) of each list."""
    return {
        split: {"/".join(key.split("/")[:depth]) for key in keys}
        for split, keys in splits.lists.items()
    }


def apart(groups: dict[str, set[str]]) -> bool:
    return sum(map(len, groups.values())) == len(set.union(*groups.values()))


def test_a_tree_of_many_speakers_is_drawn_by_speaker(tmp_path: Path) -> None:
    keys = tree(60, 3, 4)
    splits = write(tmp_path, keys)
    assert splits.origin == "drawn by speaker"
    assert sorted(key for own in splits.lists.values() for key in own) == keys
    assert apart(parts(splits, 1))
    assert (splits.overlaps, splits.remarks) == ([], [])
    for row in splits.table:
        assert row.clips == len(splits.lists[row.split]) == 4 * row.videos == 12 * row.speakers
        assert row.minutes == row.clips
        assert row.split == "train" or 0.025 <= row.clips / 720 <= 0.1


@pytest.mark.parametrize(("speakers", "videos"), [(4, 30), (1, 40), (3, 2)])
def test_a_tree_of_few_speakers_is_drawn_by_video(
    tmp_path: Path, speakers: int, videos: int
) -> None:
    splits = write(tmp_path, tree(speakers, videos, 5))
    assert splits.origin.startswith(f"drawn by video: speakers ({speakers}) too few")
    assert apart(parts(splits, 2))
    assert all(splits.lists.values())
    assert all(overlap.speakers and not overlap.videos for overlap in splits.overlaps)


def test_places_stay_as_footage_is_added_and_in_any_order(tmp_path: Path) -> None:
    keys = tree(60, 2, 2)
    before = parts(write(tmp_path, keys), 1)
    assert parts(write(tmp_path, keys[::-1]), 1) == before
    after = parts(write(tmp_path, tree(300, 2, 2)), 1)
    for split, speakers in before.items():
        assert len(speakers - after[split]) <= 1  # one was only there for lack of others
    assert before["test"].isdisjoint(after["val"])
    assert before["val"] == {"p005", "p020", "p030", "p049"}  # the same on every machine


def test_a_speaker_of_most_clips_is_never_held_out(tmp_path: Path) -> None:
    for name in "abcdefgh":
        keys = [f"{name}-most/{i}" for i in range(800)]
        keys += [f"{name}{i:02}/{k}" for i in range(20) for k in range(10)]
        splits = write(tmp_path, keys)
        assert splits.origin == "drawn by speaker"
        assert f"{name}-most" in parts(splits, 1)["train"]


def test_files_of_one_name_and_several_numbers_go_together(tmp_path: Path) -> None:
    keys = [f"all/WDA_Person{i}_{k:03}" for i in range(40) for k in range(3)]
    splits = write(tmp_path, keys)
    assert apart({s: {key[:-4] for key in own} for s, own in splits.lists.items()})
    takes = write(tmp_path, [f"all/take_{i:03}" for i in range(40)])  # all of one speaker name
    assert all(takes.lists.values())


def test_grids_folders_are_not_its_videos(tmp_path: Path) -> None:
    sentences = [f"bbi{letter}{digit}n" for letter in "abcdefghij" for digit in range(1, 10)]
    keys = [f"s{speaker}/video/mpg_6000/{name}" for speaker in (1, 4) for name in sentences]
    splits = write(tmp_path, keys)
    assert min(map(len, splits.lists.values())) >= 0.025 * len(keys)


def test_few_clips_go_to_training_first(tmp_path: Path) -> None:
    for count, expected in [(1, (1, 0, 0)), (4, (4, 0, 0)), (5, (3, 1, 1))]:
        splits = write(tmp_path, [f"s/{i}" for i in range(count)])
        assert tuple(map(len, splits.lists.values())) == expected
        assert bool(splits.remarks) == (count < 5)
    alone = write(tmp_path, tree(1, 4, 9))
    assert alone.remarks == [
        "no clips for val and test: the source has too few videos; add some, or assign "
        "speakers to it, splits.val=[NAME]"
    ]


def test_clips_of_one_file_go_together(tmp_path: Path) -> None:
    keys = {f"s/{i}": [f"s/{i}.000", f"s/{i}.001"] for i in range(60)}
    splits = write(tmp_path, {**keys, "s/none": []})
    files = {split: {key[:-4] for key in own} for split, own in splits.lists.items()}
    assert apart(files)
    assert sum(map(len, files.values())) == 60
    assert read_split(tmp_path / "out", "val") == sorted(splits.lists["val"])


def test_speakers_that_are_asked_for(tmp_path: Path) -> None:
    keys = [f"s{i % 4}/{i}" for i in range(80)]
    splits = write(tmp_path, keys, {"val": 0.1, "unseen": ["s1", "s3"]})
    assert parts(splits, 1)["unseen"] == {"s1", "s3"}
    assert 2 <= len(splits.lists["val"]) <= 8
    assert sum(map(len, splits.lists.values())) == 80
    assert [(o.first, o.second) for o in splits.overlaps] == [("train", "val")]
    numbered = write(tmp_path, ["7/a", "8/b"], {"test": [7]})  # Hydra reads [7] as a number
    assert numbered.lists["test"] == ["7/a"]
    check(tmp_path, keys, {"test": ["s0"]})
    with pytest.raises(ConfigError, match=r"splits.test: no clip of s7, s9"):
        check(tmp_path, keys, {"test": ["s9", "s0", "s7"]})
    gone = write(tmp_path, {"a/1": ["a/1"], "b/1": []}, {"test": ["b"]})
    assert gone.remarks == ["splits names b, of whom no clip was kept"]


def test_a_list_of_an_earlier_run_that_now_leaks(tmp_path: Path) -> None:
    keys = [f"s{i % 20}/{i}" for i in range(60)]
    write(tmp_path, keys, {"unseen": ["s3"]})
    assert write(tmp_path, keys, {"val": 0}).remarks == [
        "filelists/unseen.txt is from another run: 3 of its clips are in train"
    ]


@pytest.mark.parametrize("share", ["10%", None, -0.1, 1.5, True, float("nan"), []])
def test_shares_that_cannot_work(share: object) -> None:
    check_splits({"val": 0.05, "unseen": ["s1"]})
    with pytest.raises(ConfigError, match=r"^splits\.val: must be a share from 0 to 1, or a list"):
        check_splits({"val": share})


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"a": ["x", "y"], "b": ["z", "y"]}, "splits.a and splits.b both name y; put each speaker"),
        ({"a": [7], "b": ["7"]}, "splits.a and splits.b both name 7"),
        ({"val": 0.6, "test": 0.5}, r"the shares add up to 1\.1; they must not exceed 1"),
        ({"train": 0.5}, r"splits\.train: a split's name .* train, which receives the rest"),
        ({"../x": 0.5}, r"splits\.\.\./x: a split's name must"),
    ],
)
def test_splits_that_contradict_each_other(wanted: dict, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check_splits(wanted)


def test_the_sources_lists_are_taken_over(tmp_path: Path) -> None:
    lists(tmp_path, train="s/a NF:12\ns/gone\n\ns/c\ns/a\n")
    lists(tmp_path, unseen="../../etc/passwd\n/etc/pass\x1bwd\ns/b\n")
    keys = {"s/a": ["s/a"], "s/b": ["s/b.000", "s/b.001"], "s/c": ["s/c-1"], "t/d": ["t/d"]}
    check(tmp_path, list(keys))
    splits = write(tmp_path, {**keys, "s/none": []})
    assert read_split(tmp_path / "out", "train") == ["s/a", "s/c-1"]
    assert read_split(tmp_path / "out", "unseen") == ["s/b.000", "s/b.001"]
    assert splits.origin == "the source's own lists"
    assert [(row.split, row.clips) for row in splits.table] == [
        ("train", 2), ("unseen", 2), ("no list", 1)
    ]  # fmt: skip
    assert splits.overlaps == [Overlap("train", "unseen", 1, 1, 0)]
    assert splits.remarks == [
        "3 names in the lists match no file of the source: s/gone, ../../etc/passwd, /etc/pass?wd"
    ]


def test_shared_videos_of_the_sources_lists_are_counted(tmp_path: Path) -> None:
    lists(tmp_path, train="a/v1/1\na/v2/1\nb/v1/1\n", val="a/v1/2\na/v3/1\nc/v1/1\n")
    splits = write(tmp_path, ["a/v1/1", "a/v1/2", "a/v2/1", "a/v3/1", "b/v1/1", "c/v1/1"])
    assert list(map(str, splits.overlaps)) == [
        "1 of 2 speakers of val are also in train; videos in both: 1"
    ]


def test_a_clip_in_two_of_the_sources_lists_is_an_error(tmp_path: Path) -> None:
    lists(tmp_path, train="s/a\ns/b\ns/c\n", unseen="s/d\ns/c NF:3\ns/b\n")
    with pytest.raises(ConfigError) as error:
        check(tmp_path, ["s/a", "s/b", "s/c", "s/d"])
    assert str(error.value) == (
        f"source={tmp_path}/in: 2 clips are in two of its lists, the first s/c in train and "
        "unseen; "
        "take them out of one"
    )


def test_lists_that_do_not_fit_the_source(tmp_path: Path) -> None:
    lists(tmp_path, train="s/a.mp4\n", val="s/b.mp4\n")
    with pytest.raises(
        ConfigError, match=r"none of the 2 names .* first is s/a.mp4, \.\.\., whereas"
    ):
        check(tmp_path, ["s/a", "s/b"])
    lists(tmp_path, train="s/a\n")
    check(tmp_path, ["s/a", "s/b"])
    with pytest.raises(ConfigError, match=r"splits.unseen: .* has lists of its own \(train, val\)"):
        check(tmp_path, ["s/a", "s/b"], {**SHARES, "unseen": ["s"]})
