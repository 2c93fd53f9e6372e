"""Sharded sets: damage, the node's cache, and the assignment of shards to readers."""

import functools
import http.server
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from asked import EXPERT, GENERATOR, asked
from torch.utils.data import DataLoader

from data_prep.convert import convert
from lipsync.data.datasets import Clips, Windows
from lipsync.data.draws import DrawSampler
from lipsync.data.module import ClipDataModule
from lipsync.data.shards import PreparedShards
from lipsync.data.store import open_clip, open_set, read_split
from lipsync.errors import ClipError, ConfigError
from lipsync.features import Mel, get_feature

KEYS = [f"{speaker}/{i}" for speaker in ("ann", "ben") for i in range(4)]


@pytest.fixture(scope="module")
def folders(make_prepared, tmp_path_factory) -> Path:
    return make_prepared(
        tmp_path_factory.mktemp("folders"), {"train": KEYS, "val": KEYS[1:4]}, frames=20
    )


@pytest.fixture(scope="module")
def whole(folders, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("shards") / "set"
    convert(folders, output, "shards", clips=2, workers=0, progress=False)
    return output


@pytest.fixture
def shards(whole, tmp_path) -> Path:
    """A copy to damage: ann/0 and ann/1 in shard 0, and so on."""
    for path in whole.rglob("*"):
        if path.is_file():
            target = tmp_path / "set" / path.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return tmp_path / "set"


@pytest.fixture
def served(whole):
    """The set on an HTTP server with range requests, and the requests made."""
    asked_for: list[tuple[str, str]] = []

    class Ranges(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            path, given = Path(self.translate_path(self.path)), self.headers.get("Range")
            asked_for.append((path.name, given or ""))
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            if given and self.server.ranges:
                first, last = given.removeprefix("bytes=").split("-")
                data = data[int(first) : int(last) + 1]
            self.send_response(206 if given and self.server.ranges else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    handler = functools.partial(Ranges, directory=str(whole))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.ranges = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked_for, server
    server.shutdown()


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


def test_samples_are_those_of_folders_but_for_the_pictures(folders, whole):
    one, other = (Windows(open_set(r), "train", GENERATOR, seed=5) for r in (folders, whole))
    for draw in range(12):
        a, b = one[draw], other[draw]
        assert a["key"] == b["key"]
        assert a["faces"].shape == b["faces"].shape
        for name in ("start", "sound"):
            np.testing.assert_array_equal(a[name], b[name])
    reader = open_set(whole)
    assert isinstance(reader, PreparedShards)
    assert read_split(whole, "val") == reader.keys("val") == KEYS[1:4]
    assert open_clip(whole, "ben/2").info == open_clip(folders, "ben/2").info
    evaluated = Clips(reader, "val", EXPERT)[2]
    np.testing.assert_array_equal(
        evaluated["sound_expert"], Clips(open_set(folders), "val", EXPERT)[2]["sound_expert"]
    )


def test_a_clip_behind_a_url_is_one_request_and_with_a_cache_the_only_one(served, whole, tmp_path):
    url, requests, _ = served
    reader = PreparedShards(url, cache=tmp_path / "cache", cache_gb=1)
    local = Windows(open_set(whole), "train", GENERATOR)
    remote = Windows(reader, "train", GENERATOR)
    assert all(equal(local[draw], remote[draw]) for draw in range(30))
    tars = [name for name, _ in requests if name.endswith(".tar")]
    assert len(tars) == len(KEYS)
    again = Windows(PreparedShards(url, cache=tmp_path / "cache"), "train", GENERATOR)
    assert all(equal(local[draw], again[draw]) for draw in range(30))
    assert [name for name, _ in requests if name.endswith(".tar")] == tars


def test_decoded_pictures_are_kept_where_asked(whole, tmp_path, monkeypatch):
    reader = PreparedShards(whole, cache=tmp_path, cached="pixels")
    first = reader.open("ann/1").read([3, 4, 9], top=10)
    np.testing.assert_array_equal(first, open_clip(whole, "ann/1").read([3, 4, 9], top=10))
    monkeypatch.setattr("lipsync.data.shards.cv2.imdecode", None)  # nothing may be decoded again
    np.testing.assert_array_equal(reader.open("ann/1").read([9, 3], top=10), first[[2, 0]])


def test_the_cache_keeps_its_limit_and_what_was_used_last(whole, served, tmp_path):
    url, requests, _ = served
    size = int(open_set(whole).index.length.max())
    reader = PreparedShards(url, cache=tmp_path, cache_gb=3.5 * size / 1e9)
    for key in [*KEYS[:3], KEYS[0], KEYS[3], KEYS[0]]:
        reader.open(key).wave  # noqa: B018
        held = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
        assert sum(held) <= 3.5 * size
    tars = [name for name, _ in requests if name.endswith(".tar")]
    assert len(tars) == 4  # ann/0 was used again, so ann/1 was evicted for ann/3


def test_a_full_disk_costs_the_cache_alone(whole, served, tmp_path, monkeypatch, caplog):
    def full(*args):
        raise OSError(28, "No space left on device")

    reader = PreparedShards(served[0], cache=tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    for key in KEYS[:2]:
        assert len(reader.open(key).wave) == 12800
    assert caplog.text.count("No space left on device; clips are read without caching") == 1


def test_a_shard_cut_off_is_named_and_its_clips_are_left_out(shards, caplog):
    path = shards / "shard-00001.tar"
    path.write_bytes(path.read_bytes()[:-20_000])
    reader = open_set(shards)
    assert "shard-00001.tar: has " in caplog.text
    assert "1 of its 2 clips are lost and skipped; convert the set again" in caplog.text
    assert reader.keys("train") == [key for key in KEYS if key != "ann/3"]
    (shards / "shard-00002.tar").unlink()
    assert len(open_set(shards).keys("train")) == 5
    assert "shard-00002.tar: is gone, 2 of its 2 clips" in caplog.text
    with pytest.raises(ConfigError, match=r"shard-0000.\.tar: .*or set data.shards.damaged=skip"):
        open_set(shards, damaged="error")


def damage(shards: Path, key: str, kind: str, offset: int = 200) -> None:
    """Change some bytes of a clip's file."""
    index = open_set(shards).index
    number = index.find(key)
    path = shards / str(index.shards[index.shard[number]])
    begin = int(index.begin[number]) + index.member(number, kind).begin + offset
    data = bytearray(path.read_bytes())
    data[begin : begin + 8] = bytes(byte ^ 255 for byte in data[begin : begin + 8])
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["mjpeg", "mel.npy", "ends.npy"])
def test_bytes_that_changed_are_found_and_another_clip_stands_in(shards, kind, caplog):
    before = Windows(open_set(shards), "train", GENERATOR)
    undamaged = [before[draw] for draw in range(24)]
    damage(shards, "ann/2", kind)
    runs = [Windows(open_set(shards), "train", GENERATOR) for _ in range(2)]
    samples = [[dataset[draw] for draw in range(24)] for dataset in runs]
    hit = 0
    for old, one, other in zip(undamaged, *samples, strict=True):
        assert equal(one, other)  # everyone gets the same replacement clip
        assert equal(old, one) or old["key"] == "ann/2"
        hit += not equal(old, one)
    assert runs[0].skipped >= hit > 0
    assert "ann/2: " in caplog.text
    assert "in " + str(shards / "shard-00001.tar") in caplog.text
    assert f"replaced by another clip ({runs[0].skipped} so far)" in caplog.text
    strict = Windows(open_set(shards, damaged="error"), "train", GENERATOR)
    with pytest.raises(ClipError, match=r"^ann/2: .* is damaged in .*shard-00001\.tar; convert"):
        [strict[draw] for draw in range(24)]


def test_evaluation_goes_on_as_well(shards, caplog):
    damage(shards, "ann/2", "mel.npy")
    dataset = Clips(open_set(shards), "val", EXPERT, windows=2)
    assert [dataset[i]["key"] for i in range(3)] == ["ann/1", "ann/3", "ann/3"]


def test_a_set_all_damaged_is_an_error_and_no_loop(shards):
    for path in shards.glob("*.tar"):
        path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(ClipError, match=r"json is damaged"):
        Windows(open_set(shards), "train", GENERATOR)


@pytest.mark.parametrize("workers", [0, 2])
def test_no_sample_twice_or_lost_with_two_processes(whole, workers, caplog):
    dataset = Windows(open_set(whole), "train", GENERATOR, seed=3)

    def name(sample: dict) -> tuple:
        numbers = (int(np.asarray(sample[each]).sum()) for each in ("start", "reference", "faces"))
        return sample["key"], *numbers

    wanted = [name(dataset[draw]) for draw in range(12, 24)]
    found = {}
    for rank in range(2):
        sampler = DrawSampler(12, rank, 2)
        sampler.set_epoch(1)
        loader = DataLoader(dataset, None, sampler=sampler, num_workers=workers)
        found |= dict(zip(range(12 + rank, 24, 2), map(name, loader), strict=True))
    assert [found[draw] for draw in range(12, 24)] == wanted


def test_a_feature_that_is_missing_says_how_to_add_it(whole):
    with pytest.raises(ClipError) as error:
        open_clip(whole, "ann/1").feature(get_feature("liftered_mel"))
    assert "has no liftered_mel" in str(error.value)
    assert "and convert those again" in str(error.value)
    assert open_clip(whole, "ann/1").feature(Mel()).shape[0] == 80


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"cached": "frames"}, "data.shards.cached=frames: must be clips or pixels"),
        ({"damaged": "no"}, "data.shards.damaged=no: must be skip or error"),
        ({"cache": "x", "cache_gb": 0}, "data.shards.cache_gb=0: must be above 0"),
        ({"cache": "/proc/x"}, "data.shards.cache=/proc/x: cannot be created"),
    ],
)
def test_options_that_cannot_work_of_shards(whole, options, problem):
    with pytest.raises(ConfigError) as error:
        PreparedShards(whole, **options)
    assert str(error.value).startswith(problem)


def test_places_that_cannot_be_read(whole, served, tmp_path):
    url, _, server = served
    server.ranges = False
    with pytest.raises(ConfigError, match="the server ignores HTTP range requests"):
        PreparedShards(url).open("ann/1").wave  # noqa: B018
    for root, problem in (
        ("http://127.0.0.1:9/set", r"127.0.0.1:9/set/index.npz: cannot be read .*is reachable"),
        (url + "/none", r"none/index.npz: no such file; convert a prepared set"),
        ("nothing://x", r"nothing://x: cannot be opened .*Protocol not known"),
    ):
        with pytest.raises(ConfigError, match=problem):
            open_set(root)
    (tmp_path / "index.npz").write_bytes(b"PK nothing")
    with pytest.raises(ConfigError, match=r"index.npz: .*convert the set again"):
        open_set(tmp_path)
    with pytest.raises(ConfigError, match=r"filelists/dev\.txt: no such split list"):
        read_split(whole, "dev")


def test_the_data_module_takes_urls(served):
    url, _, _ = served
    data = ClipDataModule(
        url, None, None, image_size=96, batch_size=1, eval_batch_size=1, batches_per_epoch=1,
        shards={"damaged": "error"},
    )  # fmt: skip
    assert str(data.reader()) == url
    assert data.reader().damaged == "error"
    with pytest.raises(ConfigError, match=r"is 96 px, data\.image_size is 128"):
        Windows(data.reader(), "train", asked(image_size=128))


def test_clips_that_are_counted_are_logged_as_warnings(shards, caplog):
    caplog.set_level(logging.WARNING)
    damage(shards, "ann/0", "mel.npy")
    Windows(open_set(shards), "train", GENERATOR)  # if its first clip is damaged, the next is used
    assert "ann/0: mel.npy is damaged" in caplog.text
