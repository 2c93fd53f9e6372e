import errno
import json
import resource

import cv2
import numpy as np
import pytest

from lipsync.audio import melspectrogram
from lipsync.data.store import open_clip, read_split, write_clip, write_split
from lipsync.errors import ClipError, ConfigError
from lipsync.media import write_audio


def test_a_clip_comes_back_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (20, 96, 96, 3), dtype=np.uint8)
    wave = np.rint(rng.uniform(-0.5, 0.5, 12800) * 32768).astype(np.float32) / 32768
    write_clip(tmp_path, "ann/one", faces=faces, wave=wave, info={"source": "x.mp4", "offset": 0})

    clip = open_clip(tmp_path, "ann/one")
    np.testing.assert_array_equal(clip.faces, faces)
    np.testing.assert_allclose(clip.wave, wave, atol=1 / 32768)
    np.testing.assert_allclose(clip.mel, melspectrogram(wave), atol=1e-3)
    assert (clip.speaker, clip.size, len(clip)) == ("ann", 96, 20)
    assert clip.info == {"source": "x.mp4", "offset": 0, "frames": 20, "size": 96}
    names = {path.name for path in clip.path.iterdir()}
    assert names == {"faces.npy", "audio.wav", "mel.npy", "clip.json"}


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


def test_a_short_clip_is_named_with_its_numbers(tmp_path):
    faces = np.zeros((30, 96, 96, 3), np.uint8)
    write_clip(tmp_path, "s1/bbaf2n", faces=faces, wave=np.zeros(2200, np.float32), info={})
    with pytest.raises(ClipError) as error:
        open_clip(tmp_path, "s1/bbaf2n").windows()
    assert "s1/bbaf2n: 30 frames and 12 mel columns, a window needs 5 frames and 16" in str(
        error.value
    )


@pytest.mark.parametrize("name", ["faces.npy", "mel.npy", "clip.json"])
def test_a_damaged_file_is_named(tmp_path, name):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={}) / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ClipError, match=f"a/b: {name}"):
        open_clip(tmp_path, "a/b").windows()


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


def test_the_published_layout_is_read_as_it_is(tmp_path):
    folder = tmp_path / "speaker" / "00001"
    folder.mkdir(parents=True)
    for i in range(12):  # more than ten: 10.jpg comes after 9.jpg, not after 1.jpg
        picture = np.full((120, 120, 3), 20 * i, np.uint8)
        picture[..., 0] = 255  # blue, in OpenCV's order
        cv2.imwrite(str(folder / f"{i}.jpg"), picture)
    wave = 0.1 * np.sin(np.arange(7680) / 5).astype(np.float32)
    write_audio(folder / "audio.wav", wave)

    clip = open_clip(tmp_path, "speaker/00001", side=96)
    assert clip.faces.shape == (12, 96, 96, 3)
    np.testing.assert_allclose(clip.faces[:, 48, 48, 0], 20 * np.arange(12), atol=6)
    np.testing.assert_allclose(clip.faces[:, 48, 48, 2], 255, atol=8)  # RGB: blue is last
    assert clip.mel.shape == (80, 1 + 7680 // 200)
    assert clip.windows() == 8

    for content in (b"", b"no picture"):
        (folder / "5.jpg").write_bytes(content)
        with pytest.raises(ClipError, match=r"speaker/00001: 5.jpg is not a readable picture"):
            len(open_clip(tmp_path, "speaker/00001"))
    (folder / "5.jpg").unlink()
    (folder / "5.jpg").mkdir()
    with pytest.raises(ClipError, match=r"speaker/00001: 5.jpg cannot be read \(Is a directory"):
        len(open_clip(tmp_path, "speaker/00001"))
    (folder / "5.jpg").rmdir()
    with pytest.raises(ClipError, match="not numbered 0 to 10"):
        len(open_clip(tmp_path, "speaker/00001"))


def test_split_lists(tmp_path):
    write_split(tmp_path, "train", ["a/1", "a/with space", "a/2"])
    (tmp_path / "a" / "with space").mkdir(parents=True)
    assert read_split(tmp_path, "train") == ["a/1", "a/with space", "a/2"]
    (tmp_path / "filelists" / "test.txt").write_text("a/1 NF:12\n\na/2\n")
    assert read_split(tmp_path, "test") == ["a/1", "a/2"]
    (tmp_path / "filelists" / "val.txt").write_text("\n")
    with pytest.raises(ConfigError, match=r"val\.txt: the split list is empty"):
        read_split(tmp_path, "val")
    with pytest.raises(ConfigError, match="no such split list"):
        read_split(tmp_path, "other")


def test_clip_json_is_readable(tmp_path):
    faces, wave = np.zeros((9, 96, 96, 3), np.uint8), np.zeros(6000, np.float32)
    path = write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={"source": "größe.mp4"})
    assert json.loads((path / "clip.json").read_text(encoding="utf-8"))["source"] == "größe.mp4"
