"""Features added to existing clips: nothing else changes, and an interrupted run resumes."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import cv2
import forked
import numpy as np
import pytest

from data_prep.features import add_features, parse_features
from lipsync.data.store import open_clip
from lipsync.errors import ConfigError, LipsyncError
from lipsync.features import LifteredMel, LipGANMFCC, Mel, Whisper
from lipsync.media import write_audio

SLOW = """
import time
import numpy as np
from lipsync.features import Feature
from lipsync.features.augment import CepstraAugment

class Slow(Feature):
    name, rate, bands, reach, context = "slow", 50, 1, 320, 0
    default_window, augmentation = 10, CepstraAugment

    def __init__(self, window=None, lead=None, seconds=0.0):
        super().__init__(window, lead)
        self.seconds = seconds

    def options(self):
        return {"seconds": self.seconds}

    def extract(self, wave):
        time.sleep(self.seconds)
        count = -(-len(wave) // 320)
        return np.pad(wave, (0, 320 * count - len(wave))).reshape(1, count, 320).mean(2)
"""


@pytest.fixture
def root(make_prepared, tmp_path) -> Path:
    keys = [f"ann/{k}" for k in range(6)]
    return make_prepared(tmp_path / "set", {"train": keys[:5], "val": keys[5:]}, frames=12, size=16)


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def test_features_are_added_and_all_else_stays(root):
    before = contents(root)
    features = [LifteredMel(), LipGANMFCC()]
    (root / "ann" / "3" / "lipgan_mfcc.npy").unlink()
    del before["ann/3/lipgan_mfcc.npy"]
    added = add_features(root, features, workers=0, progress=False)
    assert added.counts == {LifteredMel(): 6, LipGANMFCC(): 1}
    assert (
        str(added) == "liftered_mel: added to 6 clips, 0 already had it\n"
        "lipgan_mfcc: added to 1 clips, 5 already had it"
    )
    added.check()
    after = contents(root)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {
        "ann/3/lipgan_mfcc.npy", *(f"ann/{k}/liftered_mel.npy" for k in range(6))
    }  # fmt: skip
    clip = open_clip(root, "ann/2")
    np.testing.assert_allclose(clip.feature(features[0]), features[0].extract(clip.wave))
    assert add_features(root, features, workers=0, progress=False).counts[features[0]] == 0
    assert contents(root) == after


def test_folders_in_the_published_layout(tmp_path):
    folder = tmp_path / "main" / "speaker" / "00001"
    folder.mkdir(parents=True)
    for i in range(5):
        cv2.imwrite(str(folder / f"{i}.jpg"), np.zeros((32, 32, 3), np.uint8))
    write_audio(folder / "audio.wav", 0.1 * np.sin(np.arange(3200) / 5).astype(np.float32))
    added = add_features(tmp_path, [Mel()], workers=0, progress=False)
    assert added.counts == {Mel(): 1}
    assert np.load(folder / "mel.npy").shape == (80, 17)


def test_a_clip_that_cannot_be_is_named_and_costs_no_other(root):
    (root / "ann" / "2" / "audio.wav").write_bytes(b"no sound")
    added = add_features(root, [LifteredMel()], workers=0, progress=False)
    assert added.counts == {LifteredMel(): 5}
    assert not list(root.rglob("*.tmp"))
    with pytest.raises(ConfigError, match=r"1 clips still lack features; .* ann/2: audio.wav: "):
        added.check()
    assert re.search(r"\n  clip ann/2: audio.wav: |\n  ann/2: audio.wav", str(added))


def test_a_missing_extra_is_named_before_the_first_clip(root, monkeypatch, capsys):
    monkeypatch.setattr("lipsync.features.whisper.find_spec", lambda name: None)
    monkeypatch.setattr("data_prep.features.run_jobs", lambda *_: pytest.fail("work began"))
    with pytest.raises(ConfigError, match=r"needs the extra translate: pip install -c constr"):
        add_features(root, [LifteredMel(), Whisper()])
    assert capsys.readouterr().err == ""  # no progress bar


def test_a_full_disk_stops_all(root, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lipsync.data.store.save_array", full)
    with pytest.raises(LipsyncError, match=r"cannot be written \(No space left on device\)"):
        add_features(root, [LifteredMel()], workers=0, progress=False)


def test_sets_that_cannot_be(tmp_path):
    for root, problem in {
        tmp_path / "none": r"none: cannot be read \(No such file",
        tmp_path: "contains no prepared clips; prepare footage with source=DIR",
    }.items():
        with pytest.raises(ConfigError, match=problem):
            add_features(root, [Mel()], workers=0)
    with pytest.raises(ConfigError, match="workers must be a whole number, 0 or more, got 'two'"):
        add_features(tmp_path, [Mel()], workers="two")


def test_names_and_records():
    assert parse_features("mel") == [Mel()]
    assert parse_features(["mel", {"name": "liftered_mel", "lead": 1}]) == [
        Mel(), LifteredMel(lead=1)
    ]  # fmt: skip
    for given, problem in (
        ("bark", "feature bark: must be one of"),
        (5, "features must be a list of names, got 5"),
        ([5], r"features must be a list of names, got \[5\]"),
        ([{"name": "mel", "lead": 0.5}], "feature mel: lead=0.5 must be"),
    ):
        with pytest.raises(ConfigError, match=problem):
            parse_features(given)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["features=[bark]", "output=set"], "feature bark: must be one of"),
        (["features=[mel]"], "output not given"),
        (["features=[slow]", "plugins=[away]", "output=set"], "plugins away: cannot be imported"),
    ],
)
def test_command_errors_are_one_line_and_code_2(tmp_path, arguments, problem):
    result = forked.run("-m", "data_prep", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert problem in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_stopped(root, tmp_path):
    (tmp_path / "ours.py").write_text(SLOW)
    before = contents(root)
    arguments = (
        "features=[{name: slow, seconds: 0.4}]",
        "plugins=[ours]",
        "output=set",
        "workers=2",
    )
    path = os.pathsep.join([str(Path.cwd()), str(tmp_path)])  # for its workers
    own = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": path}}
    process = forked.start("-m", "data_prep", *arguments, **own)
    begun = time.monotonic()
    while len(list(root.rglob("slow*.npy"))) < 2 and time.monotonic() - begun < 60:
        time.sleep(0.01)
    process.kill()
    process.join()
    time.sleep(1.0)  # its workers notice that it is gone
    done = {name: c for name, c in contents(root).items() if name not in before}
    assert 2 <= len(done) < 6
    result = forked.run("-m", "data_prep", *arguments, **own)
    assert result.returncode == 0, result.stderr
    finished = {name for name in done if name.endswith(".npy")}
    assert (
        f"slow: added to {6 - len(finished)} clips, {len(finished)} already had it" in result.stdout
    )
    after = contents(root)
    assert {name: after[name] for name in before} == before
    assert {name: after[name] for name in finished} == {name: done[name] for name in finished}
    assert len(after) == len(before) + 6
    for key in range(6):
        wave = open_clip(root, f"ann/{key}").wave
        stored = np.load(root / "ann" / str(key) / "slow-0.4.npy")
        np.testing.assert_allclose(stored[0], wave.reshape(-1, 320).mean(1))
