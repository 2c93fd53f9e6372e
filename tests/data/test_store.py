import errno
import json
import resource

import cv2
import numpy as np
import pytest

from lipsync.audio import lipgan_mfcc, melspectrogram
from lipsync.data.arrays import map_array, read_header, read_rows
from lipsync.data.datasets import Windows
from lipsync.data.inputs import Inputs, Span
from lipsync.data.references import ReferenceDraws
from lipsync.data.store import (
    PreparedFolder,
    add_feature,
    open_clip,
    read_split,
    write_clip,
    write_split,
)
from lipsync.errors import ClipError, ConfigError
from lipsync.features import LipGANMFCC, Mel, SyncNetMFCC
from lipsync.media import write_audio


def test_a_clip_comes_back_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (20, 96, 96, 3), dtype=np.uint8)
    wave = np.rint(rng.uniform(-0.5, 0.5, 12800) * 32768).astype(np.float32) / 32768
    write_clip(tmp_path, "ann/one", faces=faces, wave=wave, info={"source": "x.mp4", "offset": 0})

    clip = open_clip(tmp_path, "ann/one")
    np.testing.assert_array_equal(clip.faces, faces)
    np.testing.assert_allclose(clip.wave, wave, atol=1 / 32768)
    np.testing.assert_allclose(clip.feature(Mel()), melspectrogram(wave), atol=1e-3)
    assert (clip.speaker, clip.size, len(clip)) == ("ann", 96, 20)
    assert clip.info == {"source": "x.mp4", "offset": 0, "frames": 20, "size": 96}
    names = {path.name for path in clip.path.iterdir()}
    features = {"mel.npy", "lipgan_mfcc.npy", "syncnet_mfcc.npy"}
    assert names == {"faces.npy", "audio.wav", "clip.json"} | features
    np.testing.assert_array_equal(clip.read([3, 4, 9, 2], top=48), faces[[3, 4, 9, 2], 48:])
    np.testing.assert_allclose(clip.feature(LipGANMFCC()), lipgan_mfcc(wave).T, atol=0.05)


def test_a_failed_write_leaves_the_old_clip_and_nothing_else(tmp_path, monkeypatch):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={"take": 1})

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lipsync.data.store.write_audio", full)
    with pytest.raises(OSError, match="No space left"):
        write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={"take": 2})
    assert open_clip(tmp_path, "a/b").info["take"] == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_arrays_have_the_bytes_that_numpy_gives_them(tmp_path):
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (90, 256, 256, 3), dtype=np.uint8)  # more than one block of 16 MB
    wave = rng.uniform(-0.5, 0.5, 57600).astype(np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={})
    for name, array in (("faces.npy", faces), ("mel.npy", melspectrogram(wave))):
        np.save(tmp_path / name, array)
        assert (path / name).read_bytes() == (tmp_path / name).read_bytes()


def test_an_array_that_cannot_be_written_says_why(tmp_path):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/x", "", "a/\0"])
def test_keys_cannot_leave_the_folder(tmp_path, key):
    with pytest.raises(ClipError, match="not a clip name"):
        write_clip(tmp_path, key, faces=np.zeros((5, 8, 8, 3)), wave=np.zeros(9), info={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 20, 200, -1])
@pytest.mark.parametrize("name", ["faces.npy", "mel.npy"])
def test_a_damaged_file_is_named(tmp_path, name, kept):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={}) / name
    path.write_bytes(path.read_bytes()[:kept])
    clip = open_clip(tmp_path, "a/b")
    with pytest.raises(ClipError, match=f"^a/b: {name} cannot be read .*; prepare the clip again"):
        len(clip) if name == "faces.npy" else len(clip.feature(Mel()))


def test_a_damaged_description_is_named(tmp_path):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={}) / "clip.json"
    path.write_bytes(path.read_bytes()[:20])
    clip = open_clip(tmp_path, "a/b")
    with pytest.raises(ClipError, match=r"a/b: clip\.json is damaged"):
        _ = clip.info


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((9, 96, 96), np.uint8),
        np.zeros((9, 96, 90, 3), np.uint8),
        np.zeros((9, 96, 96, 3), np.float32),
        np.asfortranarray(np.zeros((9, 96, 96, 3), np.uint8)),
    ],
)
def test_arrays_that_are_no_faces(tmp_path, array):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={})
    np.save(path / "faces.npy", array)
    with pytest.raises(ClipError, match=r"a/b: faces\.npy is \w+ \(9, 96, 9"):
        len(open_clip(tmp_path, "a/b"))


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "array.npy"
    for array in (rng.random((40, 7, 3)), rng.integers(0, 9, (40, 4))):
        np.save(path, array)
        np.testing.assert_array_equal(map_array(path), array)
        assert map_array(path).dtype == read_header(path).dtype == array.dtype
        rows = [3, 4, 5, 5, 1, 39, 0]
        np.testing.assert_array_equal(read_rows(path, rows), array[rows])
        np.testing.assert_array_equal(read_rows(path, rows, 3), array[rows, 3:])
    np.save(path, np.asfortranarray(rng.random((4, 5))))
    np.testing.assert_array_equal(map_array(path), np.load(path))
    np.save(path, np.zeros((4, 5)))
    with pytest.raises(ValueError, match="it has 4 rows, not 6"):
        read_rows(path, [3, 5])
    with pytest.raises(ValueError, match="read-only"):
        map_array(path)[0] = 1


def test_a_feature_is_added_later(tmp_path):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={}, features=[Mel()])
    clip = open_clip(tmp_path, "a/b")
    with pytest.raises(
        ClipError, match=r"add it with `python -m data_prep 'features=\[lipgan_mfcc"
    ):
        clip.feature(LipGANMFCC())
    assert add_feature(clip, LipGANMFCC())
    assert not add_feature(clip, LipGANMFCC())
    assert clip.feature(LipGANMFCC()).shape == (12, 36)
    assert not list(path.glob("*.tmp"))
    np.save(path / "lipgan_mfcc.npy", np.zeros((13, 36), np.float32))
    problem = r"lipgan_mfcc\.npy is float32 \(13, 36\), not float32 \(12, columns\)"
    with pytest.raises(ClipError, match=problem):
        open_clip(tmp_path, "a/b").feature(LipGANMFCC())


def test_a_pickled_array_is_refused_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={})
    np.save(path / "faces.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(ClipError, match=r"faces\.npy cannot be read"):
        len(open_clip(tmp_path, "a/b"))
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def published(tmp_path):
    """A clip in the published layout, of more than ten frames: 10.jpg comes after 9.jpg."""
    folder = tmp_path / "speaker" / "00001"
    folder.mkdir(parents=True)
    for i in range(12):
        picture = np.full((120, 120, 3), 20 * i, np.uint8)
        picture[..., 0] = 255  # blue, in OpenCV's order
        cv2.imwrite(str(folder / f"{i}.jpg"), picture)
    wave = 0.1 * np.sin(np.arange(7680) / 5).astype(np.float32)
    write_audio(folder / "audio.wav", wave)
    return folder


def test_the_published_layout_is_read_as_it_is(tmp_path, published):
    clip = open_clip(tmp_path, "speaker/00001", side=96)
    assert (len(clip), clip.size, clip.framing) == (12, 96, None)
    assert clip.faces.shape == (12, 96, 96, 3)
    np.testing.assert_allclose(clip.faces[:, 48, 48, 0], 20 * np.arange(12), atol=6)
    np.testing.assert_allclose(clip.faces[:, 48, 48, 2], 255, atol=8)  # RGB: blue is last
    np.testing.assert_array_equal(clip.read([11, 2], top=48), clip.faces[[11, 2], 48:])
    assert clip.feature(Mel()).shape == (80, 1 + 7680 // 200)
    assert clip.feature(SyncNetMFCC()).shape == (13, 47)


def test_only_the_frames_that_are_asked_for_are_decoded(tmp_path, published, monkeypatch):
    decoded, computed = [], []
    monkeypatch.setattr(cv2, "imdecode", lambda *a, f=cv2.imdecode: decoded.append(1) or f(*a))
    monkeypatch.setattr(Mel, "extract", lambda *a, f=Mel.extract: computed.append(1) or f(*a))
    write_split(tmp_path, "train", ["speaker/00001"])
    inputs = Inputs(96, "box", 5, Mel(lead=2), {"sync": Span(Mel(), 5)}, references=1)
    draws = ReferenceDraws(candidates=3, random=0.0)
    dataset = Windows(PreparedFolder(tmp_path), "train", inputs, references=draws)
    assert not decoded
    for draw in range(7):
        dataset[draw]
    assert len(decoded) == 7 * (5 + 3)  # a window and the candidates for its reference
    assert len(computed) == 1  # for any number of windows and samples
    add_feature(open_clip(tmp_path, "speaker/00001"), Mel())
    stored = np.load(published / "mel.npy") + 1
    np.save(published / "mel.npy", stored)
    np.testing.assert_array_equal(open_clip(tmp_path, "speaker/00001").feature(Mel()), stored)


def test_damaged_clips_of_the_published_layout_are_named(tmp_path, published):
    clip = open_clip(tmp_path, "speaker/00001")
    for content in (b"", b"no picture"):
        (published / "5.jpg").write_bytes(content)
        with pytest.raises(ClipError, match=r"speaker/00001: 5.jpg is not a readable image"):
            clip.read([5])
    (published / "5.jpg").unlink()
    (published / "5.jpg").mkdir()
    with pytest.raises(ClipError, match=r"speaker/00001: 5.jpg cannot be read \(Is a directory"):
        clip.read([5])
    (published / "5.jpg").rmdir()
    with pytest.raises(ClipError, match="not numbered 0 to 10"):
        len(clip)
    (published / "audio.wav").write_bytes(b"no sound")
    with pytest.raises(ClipError, match=r"speaker/00001: audio\.wav"):
        clip.feature(LipGANMFCC())


def test_split_lists(tmp_path):
    write_split(tmp_path, "train", ["a/1", "a/with space", "a/2"])
    assert read_split(tmp_path, "train") == ["a/1", "a/with space", "a/2"]
    (tmp_path / "filelists" / "test.txt").write_text("a/1 NF:12 MV:3\n\na/2\na/with space NF:9\n")
    assert read_split(tmp_path, "test") == ["a/1", "a/2", "a/with space"]
    (tmp_path / "filelists" / "val.txt").write_text("\n")
    problem = r"val\.txt: the split list is empty; .*assign speakers to it, splits\.val=\[NAME\]$"
    with pytest.raises(ConfigError, match=problem):
        read_split(tmp_path, "val")
    with pytest.raises(ConfigError, match="no such split list"):
        read_split(tmp_path, "other")


def test_clip_json_is_readable(tmp_path):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={"source": "größe.mp4"})
    assert json.loads((path / "clip.json").read_text(encoding="utf-8"))["source"] == "größe.mp4"
