"""Conversion of a prepared set to shards and back, on the command line."""

import json
import os
import tarfile
from pathlib import Path
from subprocess import CompletedProcess

import forked
import numpy as np
import pytest

from data_prep.convert import convert
from data_prep.features import clips_below
from data_prep.shard_writer import ShardWriter
from lipsync.data.places import Place
from lipsync.data.store import open_set, write_clip, write_split
from lipsync.errors import ConfigError, LipsyncError

KEYS = ["ann/one", "ann/two.take.1", "bö/drei", "bö/vier", "carl/five"]


def talking(frames: int, seed: int, size: int = 64) -> np.ndarray:
    """Images as smooth as faces, with a bright mouth that opens and closes."""
    y, x = np.mgrid[:size, :size] / size
    base = np.stack([0.3 + 0.4 * y, 0.5 + 0.2 * np.sin(4 * x + seed), 0.6 - 0.3 * x * y], axis=-1)
    faces = np.repeat((255 * base)[None], frames, axis=0)
    for i in range(frames):
        faces[i, 40 : 44 + i % 8, 20:44] = (200, 40 + 10 * seed, 60)
    return faces.astype(np.uint8)


@pytest.fixture
def folders(tmp_path) -> Path:
    root = tmp_path / "folders"
    for i, key in enumerate(KEYS):
        rng = np.random.default_rng(i)
        wave = np.clip(0.4 * rng.standard_normal((20 + i) * 640), -1, 1).astype(np.float32)
        info = {"source": f"{key}.mp4", "box": [1.25, 2.5, 3.1], "framing": "box"}
        write_clip(root, key, faces=talking(20 + i, i), wave=wave, info=info)
    write_split(root, "train", KEYS[:3])
    write_split(root, "val", KEYS[3:])
    return root


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.mean((one.astype(float) - other) ** 2)
    return 10 * np.log10(255**2 / error) if error else np.inf


def assert_same(one, other, least_psnr: float) -> None:
    for split in ("train", "val"):
        assert one.keys(split) == other.keys(split)
    for key in KEYS:
        a, b = one.open(key), other.open(key)
        assert a.info == b.info
        assert (a.key, a.speaker, a.size, len(a), a.framing) == (
            b.key, b.speaker, b.size, len(b), b.framing
        )  # fmt: skip
        np.testing.assert_array_equal(a.wave, b.wave)
        assert a.files == b.files == ["lipgan_mfcc.npy", "mel.npy", "syncnet_mfcc.npy"]
        for file in a.files:
            np.testing.assert_array_equal(a.array(file), b.array(file))
        assert psnr(a.faces, b.faces) >= least_psnr
        frames = [3, 4, 5, 11, 2, 19]
        np.testing.assert_array_equal(b.read(frames, top=32), b.faces[frames, 32:])


def test_there_and_back_loses_nothing_but_what_jpeg_loses(folders, tmp_path):
    made = convert(folders, tmp_path / "shards", "shards", clips=2, workers=0, progress=False)
    assert str(made).startswith("5 clips in 3 shards, ")
    shards = open_set(tmp_path / "shards")
    assert_same(open_set(folders), shards, 38)
    back = convert(tmp_path / "shards", tmp_path / "back", "folders", workers=0, progress=False)
    assert str(back) == "5 clips in folders"
    again = open_set(tmp_path / "back")
    assert_same(shards, again, np.inf)  # images now equal the decoded JPEGs
    wav = [root / KEYS[1] / "audio.wav" for root in (folders, tmp_path / "back")]
    assert wav[0].read_bytes() == wav[1].read_bytes()


def test_quality_bounds_the_loss(folders, tmp_path):
    losses = []
    for quality in (60, 95):
        output = tmp_path / str(quality)
        convert(folders, output, "shards", quality=quality, workers=0, progress=False)
        pairs = [(open_set(folders).open(k), open_set(output).open(k)) for k in KEYS]
        losses.append(np.mean([psnr(a.faces, b.faces) for a, b in pairs]))
    assert losses[0] + 3 < losses[1]


def test_shards_are_tar_files_as_webdataset_reads_them(folders, tmp_path):
    convert(folders, tmp_path / "shards", "shards", clips=2, workers=0, progress=False)
    with tarfile.open(tmp_path / "shards" / "shard-00000.tar") as tar:
        names = tar.getnames()
        stems = {Path(name).name.split(".")[0] for name in names}
        assert stems == {"one", "two%2Etake%2E1"}  # dots are escaped: a key ends at the first dot
        kinds = ["json", "flac", "lipgan_mfcc.npy", "mel.npy", "syncnet_mfcc.npy"]
        kinds += ["ends.npy", "mjpeg"]
        assert names[:7] == [f"ann/one.{kind}" for kind in kinds]
        assert json.load(tar.extractfile("ann/one.json"))["source"] == "ann/one.mp4"
        assert tar.extractfile("ann/one.flac").read(4) == b"fLaC"


@pytest.mark.usefixtures("quick_workers")
def test_the_same_set_gives_the_same_bytes_with_any_number_of_workers(folders, tmp_path):
    for workers in (0, 2):
        output = tmp_path / str(workers)
        convert(folders, output, "shards", clips=2, workers=workers, progress=False)
    files = sorted(p.name for p in (tmp_path / "0").iterdir())
    assert files == ["filelists", "index.npz", *(f"shard-0000{i}.tar" for i in range(3))]
    for name in files[1:]:
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_run_that_was_stopped_goes_on(folders, tmp_path, monkeypatch):
    write = Place.write

    def stopped(self, name, data):
        if name == "parts/shard-00002.npz":
            raise KeyboardInterrupt
        write(self, name, data)

    monkeypatch.setattr(Place, "write", stopped)
    output = tmp_path / "shards"
    with pytest.raises(KeyboardInterrupt):
        convert(folders, output, "shards", clips=2, workers=0, progress=False)
    assert not (output / "index.npz").exists()
    monkeypatch.undo()
    done = [(output / f"shard-0000{i}.tar").stat().st_mtime_ns for i in range(2)]
    convert(folders, output, "shards", clips=2, workers=0, progress=False)
    assert [(output / f"shard-0000{i}.tar").stat().st_mtime_ns for i in range(2)] == done
    assert_same(open_set(folders), open_set(output), 38)


def test_a_damaged_clip_is_left_out_named_and_counted(folders, tmp_path):
    path = folders / "bö/vier" / "faces.npy"
    path.write_bytes(path.read_bytes()[:1000])
    made = convert(folders, tmp_path / "shards", "shards", workers=0, progress=False)
    assert str(made).splitlines()[1] == "left out: 1"
    assert str(made).splitlines()[2].startswith("  bö/vier: faces.npy cannot be read")
    shards = open_set(tmp_path / "shards")
    assert len(shards.index) == 4
    assert shards.keys("val") == ["carl/five"]


def test_a_full_disk_ends_the_run_and_leaves_nothing(folders, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ShardWriter, "add", full)
    with pytest.raises(LipsyncError, match=r"^output=.*: cannot be written \(No space left on dev"):
        convert(folders, tmp_path / "shards", "shards", workers=0, progress=False)
    assert list((tmp_path / "shards").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"form": "shreds"}, "form=shreds: must be one of shards, folders"),
        ({"quality": 0}, "quality=0: must be a whole number, 1 to 100"),
        ({"clips": 0}, "clips=0: must be a whole number, 1 or more"),
        ({"workers": -1}, "workers must be a whole number, 0 or more, got -1"),
        ({"form": "folders"}, "already consists of folders; copy it"),
        ({"output": "s3x://a/b"}, "output=s3x://a/b: cannot be opened (ValueError: Protocol not"),
    ],
)
def test_what_cannot_work_is_one_line(folders, tmp_path, options, problem):
    given = {"root": folders, "output": tmp_path / "x", "form": "shards", "workers": 0} | options
    with pytest.raises(ConfigError) as error:
        convert(**given, progress=False)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def command(*options: object, **environment: str) -> CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    home = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
    return forked.run("-m", "data_prep", "convert", *options, env=kept | home | environment)


def test_the_command(folders, tmp_path):
    done = command(f"root={folders}", f"output={tmp_path / 'shards'}", "form=shards", "workers=0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 clips in 1 shards, ")
    done = command(f"root={folders}", "form=shards")
    assert done.returncode == 2
    assert done.stderr.startswith("error: output not given: python -m data_prep convert root=DIR")


@pytest.mark.slow
def test_s3_and_what_it_refuses(folders, tmp_path, s3):
    options = [f"root={folders}", "form=shards", "workers=0", "clips=2"]
    done = command(*options, "output=s3://open/set", **s3)
    assert done.returncode == 0, done.stderr
    assert_same(open_set(folders), open_set("s3://open/set"), 38)
    back = command("root=s3://open/set", f"output={tmp_path / 'b'}", "form=folders", **s3)
    assert back.returncode == 0, back.stderr
    assert len(list(clips_below(tmp_path / "b"))) == 5

    nobody = {name: value for name, value in s3.items() if "KEY" not in name}
    nowhere = s3 | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for output, environment, problem in (
        ("s3://shut/set", s3, "check that the credentials in use have access"),
        ("s3://open/other", nobody, "set the credentials, for s3 AWS_ACCESS_KEY_ID and"),
        ("s3://open/other", nowhere, "check that the server is reachable"),
        ("s3://not-there/x", s3, "bucket does not exist"),
    ):
        done = command(*options, f"output={output}", **environment)
        assert done.returncode == 2, done.stderr
        errors = done.stderr.splitlines()
        assert len(errors) == 1, done.stderr
        assert errors[0].startswith("error: ")
        assert output in errors[0]
        assert problem in errors[0]
