"""Lists of pairs to evaluate: CSV files, published file lists, random pairs."""

from pathlib import Path

import pytest

from data_prep.scan import scan
from lipsync.errors import ConfigError, MediaError
from lipsync.evaluation import random_pairs, read_filelist, read_pairs
from lipsync.evaluation.lists import find_videos


def test_pairs_are_read_relative_to_their_file(tmp_path):
    (tmp_path / "pairs.csv").write_text('generated,real\na.mp4,"b, c.mp4"\n\nd.mp4,/e.mp4\n')
    generated, real = read_pairs(tmp_path / "pairs.csv")
    assert generated == [tmp_path / "a.mp4", tmp_path / "d.mp4"]
    assert real == [tmp_path / "b, c.mp4", Path("/e.mp4")]
    (tmp_path / "bad.csv").write_text("a.mp4\n")
    with pytest.raises(MediaError, match="line 1 has 1 fields; write generated,real"):
        read_pairs(tmp_path / "bad.csv")
    with pytest.raises(MediaError, match=r"none\.csv: cannot be read \(No such file"):
        read_pairs(tmp_path / "none.csv")
    (tmp_path / "video.csv").write_bytes(b"\x00\x90\xff")
    with pytest.raises(MediaError, match=r"video\.csv: line 1: is not UTF-16"):
        read_pairs(tmp_path / "video.csv")
    (tmp_path / "empty.csv").write_text("generated,real\n")
    with pytest.raises(MediaError, match=r"empty\.csv: contains no pair"):
        read_pairs(tmp_path / "empty.csv")


def test_a_published_list_names_videos_without_their_suffix(tmp_path):
    root = tmp_path / "data"
    (root / "s1").mkdir(parents=True)
    for name in ("s1/a.mp4", "s1/b.mkv", "s1/v1.0", "c.wav"):
        (root / name).touch()
    (tmp_path / "list.txt").write_text("s1/a s1/b\n\ns1/a c\ns1/a s1/a\ns1/a s1/b\ns1/no c.wav\n")
    pairs = read_filelist(tmp_path / "list.txt", root)
    files = [(p.video.relative_to(root), p.audio.relative_to(root)) for p in pairs]
    assert files == [
        (Path("s1/a.mp4"), Path("s1/b.mkv")), (Path("s1/a.mp4"), Path("c.wav")),
        (Path("s1/a.mp4"), Path("s1/a.mp4")), (Path("s1/a.mp4"), Path("s1/b.mkv")),
        (Path("s1/no.mp4"), Path("c.wav")),  # missing: reported when its pair is scored
    ]  # fmt: skip
    assert [p.own_sound for p in pairs] == [False, False, True, False, False]
    names = [p.name for p in pairs]
    assert names[:4] == ["s1/a + s1/b", "s1/a + c", "s1/a + s1/a", "s1/a + s1/b (2)"]


def test_lists_of_another_form_are_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("a b\na\n")
    with pytest.raises(MediaError, match="line 2 has 1 names; write lines of two names"):
        read_filelist(path)
    path.write_text("\n")
    with pytest.raises(MediaError, match="contains no pair"):
        read_filelist(path)


def test_a_folder_is_searched_for_the_videos_that_data_prep_finds(tmp_path):
    names = ["a.flv", "b.MXF", "c.mp4", "d.ts"]
    for name in (*names, "e.wav", "f.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_videos([tmp_path])] == names
    assert [source.file for source in scan(tmp_path)] == names
    (tmp_path / "list.txt").write_text("a a\n")
    assert read_filelist(tmp_path / "list.txt")[0].video.name == "a.flv"


def test_random_pairs_are_settled_by_their_seed(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for k in range(9):
            (tmp_path / folder / f"{k}.mp4").touch()

    def drawn(folder, *args):
        return [(p.video.stem, p.audio.stem) for p in random_pairs([tmp_path / folder], *args)]

    every = drawn("one", None, 3)
    assert every == drawn("two", None, 3) != drawn("one", None, 4)
    assert sorted(v for v, _ in every) == sorted(a for _, a in every) == list("012345678")
    assert all(v != a for v, a in every)
    assert drawn("one", 4, 3) == every[:4]
    assert len(drawn("one", 99, 3)) == 9


def test_random_pairs_need_two_videos(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(ConfigError, match="1 videos and all pairs: random pairing needs at least"):
        random_pairs([tmp_path])
    (tmp_path / "b.mp4").touch()
    with pytest.raises(ConfigError, match="2 videos and 0 pairs"):
        random_pairs([tmp_path], 0)
