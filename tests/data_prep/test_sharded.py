"""Footage prepared directly into shards: their content, concurrent runs, clean-up."""

from __future__ import annotations

import threading
from pathlib import Path

import fsspec
import numpy as np
import pytest
from footage_media import moving, run, video

from data_prep import leases, shard_parts, shard_run, sharded
from data_prep.__main__ import _form
from data_prep.convert import convert
from data_prep.manifest import read_manifest
from data_prep.options import Options
from data_prep.parts import names
from data_prep.pool import Failed, Stop
from data_prep.run import failed_row
from data_prep.sharded import prepare_shards
from lipsync.data.places import Place
from lipsync.data.store import open_set
from lipsync.errors import ConfigError


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good files, two of them the same, and a broken one."""
    root = tmp_path_factory.mktemp("footage") / "in"
    for i in range(4):
        path = root / f"s{i % 2}/{i}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        video(path, moving(16 + i))
    (root / "s1/again.mp4").write_bytes((root / "s0/0.mp4").read_bytes())
    (root / "s0/bad.mp4").write_text("no")
    return root


def copied(footage: Path, folder: Path) -> Path:
    for path in footage.rglob("*.mp4"):
        target = folder / path.relative_to(footage)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def prepared(source: str | Path, output: str | Path, files: int = 2, **more):
    options = Options(min_seconds=0.2, judge=None)
    return prepare_shards(source, output, options, workers=0, files=files, progress=False, **more)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_shards_hold_what_folders_hold(footage: Path, tmp_path: Path) -> None:
    folders, shards = run(footage, tmp_path / "folders"), prepared(footage, tmp_path / "shards")
    assert [(r.key, r.reason) for r in shards.rows] == [(r.key, r.reason) for r in folders.rows]
    assert shards.reasons == {"duplicate": 1, "unreadable": 1}
    assert (shards.clips, shards.files, shards.done) == (4, 6, 6)
    one, other = open_set(tmp_path / "folders"), open_set(tmp_path / "shards")
    assert one.keys("train") == other.keys("train") == ["s0/0", "s0/2", "s1/1", "s1/3"]
    for key in one.keys("train"):
        a, b = one.open(key), other.open(key)
        assert a.info == b.info
        assert np.array_equal(a.array("mel.npy"), b.array("mel.npy"))
        assert np.abs(np.asarray(a.faces).astype(int) - b.faces).mean() < 3  # JPEG
    assert other.index.find("s1/again") is None
    assert "data:image/jpeg" in (tmp_path / "shards/report.html").read_text()


def test_a_second_run_does_nothing_and_footage_that_changes_alone_is_done(
    footage: Path, tmp_path: Path
) -> None:
    source, output = copied(footage, tmp_path / "in"), tmp_path / "out"
    prepared(source, output)
    before = contents(output)
    assert prepared(source, output).done == 0
    assert contents(output) == before
    (source / "s0/0.mp4").unlink()
    video(source / "s1/new.mp4", moving(30))
    (source / "s0/2.mp4").write_bytes((source / "s1/new.mp4").read_bytes())
    summary = prepared(source, output)
    assert summary.done == 2
    assert [r.key for r in summary.kept] == ["s0/2", "s1/1", "s1/3", "s1/again"]
    assert open_set(output).keys("train") == ["s0/2", "s1/1", "s1/3", "s1/again"]
    assert len(open_set(output).open("s0/2")) == 30
    assert sorted(path.name[6:-4] for path in output.glob("*.tar")) == names(Place(output))
    for name in ("s1/again", "s1/new", "s0/2"):
        (source / f"{name}.mp4").unlink()
    (source / "s1/lost.mp4").symlink_to("nowhere")
    (source / "s1/1.avi").write_bytes((source / "s1/3.mp4").read_bytes())
    (output / "filelists/mine.txt").write_text("s1/1\n")
    summary = prepared(source, output)
    assert summary.reasons == {"unreadable": 2, "duplicate": 1}
    (left,) = [remark for remark in summary.splits.remarks if "another run" in remark]
    assert left == "filelists/mine.txt is from another run: 1 of its clips are in train"
    # s1/1.avi takes the key of s1/1.mp4, which is then prepared again under another.
    assert open_set(output).keys("train") == ["s1/1", "s1/1.mp4"]
    assert len(list(output.glob("*.tar"))) < len([n for n in before if n.endswith(".tar")]) + 1


def test_two_runs_share_the_work(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_run, "_POLL", 0.05)
    alone = prepared(footage, tmp_path / "alone", files=1)
    done: list[int] = []

    def work() -> None:
        done.append(prepared(footage, tmp_path / "both", files=1).done)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == alone.done == 6
    assert min(done) > 0
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")


def test_the_lease_of_a_run_that_is_gone_expires(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_run, "_POLL", 0.05)
    monkeypatch.setattr(leases, "EXPIRES", 0.3)
    prepared(footage, tmp_path / "alone")
    (name, *_) = names(Place(tmp_path / "alone"))
    held = tmp_path / f"out/leases/{name}"
    held.parent.mkdir(parents=True)
    held.write_text("another run")
    assert prepared(footage, tmp_path / "out").done == 6
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_a_lease_has_one_holder_until_it_expires(tmp_path: Path) -> None:
    place = Place(tmp_path)
    first, second = leases.Lease(place, "a", "one"), leases.Lease(place, "a", "two")
    assert first.claim() == ""
    assert first.claim() == ""  # a lock left by an earlier attempt of the same run is its own
    heartbeat = second.claim()
    assert heartbeat.startswith("one ")
    assert second.claim("an older heartbeat") == heartbeat
    assert second.claim(heartbeat) == ""
    with second:
        assert leases.last_heartbeat(place, "a").startswith("two ")
    assert leases.last_heartbeat(place, "a") == ""
    with second:  # the run that considered it dead has ended, and removed it
        pass
    place.write("a", b"")  # its holder is in the middle of writing it
    assert second.claim() == "unknown"
    assert second.claim("unknown") == ""


def test_a_file_that_takes_its_part_down_is_alone_in_the_end(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = shard_parts._prepare_with_retry

    def breaks(item, tools):
        if item.name == "s0/2.mp4":
            raise MemoryError("too large")
        return make(item, tools)

    monkeypatch.setattr(shard_parts, "_prepare_with_retry", breaks)
    summary = prepared(footage, tmp_path / "out", files=6)
    (failed,) = [row for row in summary.rows if row.reason == "failed"]
    assert (failed.source, summary.clips) == ("s0/2.mp4", 3)
    assert failed.detail.startswith("MemoryError: too large")
    monkeypatch.undo()
    again = prepared(footage, tmp_path / "out", files=6)
    assert (again.done, again.clips) == (1, 4)


def test_what_failed_is_tried_again_by_each_run(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, tries = shard_parts._prepare_with_retry, []

    def fails(item, tools):
        if item.name != "s0/2.mp4":
            return make(item, tools)
        tries.append(item)
        return [failed_row(item, Failed("no reason"))]

    monkeypatch.setattr(shard_parts, "_prepare_with_retry", fails)
    done = [prepared(footage, tmp_path / "out", files=3).done for _ in range(3)]
    assert (done, len(tries)) == ([6, 1, 1], 3)
    monkeypatch.undo()
    again = prepared(footage, tmp_path / "out", files=3, redo="clips")
    assert (again.done, again.clips) == (6, 4)


def test_names_in_a_bucket_that_are_no_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["s0/a.mp4", "s0//a.mp4", "/etc/b.mp4", "filelists/a.txt",
             "../filelists/b.txt", "s0/filelists/c.txt", "train.txt"]  # fmt: skip
    monkeypatch.setattr(Place, "walk", lambda self: dict.fromkeys(names, "1"))
    sources, versions, lists = sharded._list_source("s3://a/b", None)
    keys = {item.file: item.key for item in sources}
    assert keys == {"s0/a.mp4": "s0/a", "s0//a.mp4": "", "/etc/b.mp4": ""}
    assert set(versions) == set(keys)
    assert lists == ["filelists/a.txt", "train.txt"]


def test_from_s3_to_s3(footage: Path, tmp_path: Path, s3: dict[str, str]) -> None:
    files = fsspec.filesystem("s3")
    for path in footage.rglob("*.mp4"):
        files.put_file(str(path), f"open/footage/{path.relative_to(footage)}")
    files.pipe_file("open/footage/filelists/mine.txt", b"s0/2\ns1/3\ns1/gone\n")
    summary = prepared("s3://open/footage", "s3://open/shards")
    assert (summary.clips, len(summary.rows)) == (4, 6)
    assert open_set("s3://open/shards").keys("mine") == ["s0/2", "s1/3"]
    here = prepared(footage, tmp_path / "here")
    pictures = [
        open_set(root).open("s1/3").faces for root in ("s3://open/shards", tmp_path / "here")
    ]
    assert np.array_equal(*pictures)
    assert next(read_manifest("s3://open/shards")) == here.rows[0]
    with pytest.raises(
        Stop, match=r"output=s3://shut/shards/leases/.*; check that the credentials in use"
    ):
        prepared("s3://open/footage", "s3://shut/shards")
    with pytest.raises(ConfigError, match="source=s3://open/none: there is nothing"):
        prepared("s3://open/none", tmp_path / "none")
    files.pipe_file("open/footage/filelists/mine.txt", b"s0/other\n")
    with pytest.raises(ConfigError, match="source=s3://open/footage: none of the 1 names in its"):
        prepared("s3://open/footage", tmp_path / "none")


def test_forms_that_do_not_fit(footage: Path, tmp_path: Path, make_prepared) -> None:
    from omegaconf import OmegaConf

    asked = OmegaConf.create({"source": "s3://a/b", "form": None})
    assert _form(asked, "out") == "shards"
    asked.form = "folders"
    with pytest.raises(ConfigError, match="source=s3://a/b: form=folders needs a local folder"):
        _form(asked, "out")
    folders = make_prepared(tmp_path / "folders", {"train": ["a/1"]})
    with pytest.raises(ConfigError, match="contains folders of clips; choose another"):
        prepared(footage, folders)
    convert(folders, tmp_path / "converted", "shards", workers=0, progress=False)
    with pytest.raises(ConfigError, match="contains shards of convert; choose another"):
        prepared(footage, tmp_path / "converted")
    prepared(footage, f"file://{tmp_path}/shards")
    with pytest.raises(ConfigError, match="holds shards that were prepared from footage"):
        convert(folders, tmp_path / "shards", "shards", workers=0, progress=False)
    with pytest.raises(ConfigError, match="contains shards; add to them with form=shards"):
        run(footage, tmp_path / "shards")
