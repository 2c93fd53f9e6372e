"""Stored features: found by their definition, with a one-line error if missing."""

import numpy as np
import pytest

from lipsync.data.store import STORED, add_feature, open_clip, write_clip
from lipsync.errors import ClipError
from lipsync.features import LifteredMel, Mel, Whisper

OTHER = f"512-{'0' * 16}"


@pytest.fixture
def clip(tmp_path):
    wave = np.random.default_rng(0).integers(-3000, 3000, 9600).astype(np.float32) / 32768
    faces = np.zeros((15, 16, 16, 3), np.uint8)
    write_clip(tmp_path, "ann/1", faces=faces, wave=wave, info={})
    return open_clip(tmp_path, "ann/1")


def test_three_are_stored(clip):
    for feature in STORED:
        stored = clip.feature(feature)
        assert not stored.flags.writeable  # memory-mapped
        np.testing.assert_allclose(stored, feature.extract(clip.wave), atol=1e-3)
    assert add_feature(clip, LifteredMel())
    assert not add_feature(clip, LifteredMel())
    assert clip.feature(LifteredMel(lead=2)).shape == clip.feature(Mel()).shape


def test_one_that_is_missing_is_named_with_the_command_that_adds_it(clip):
    with pytest.raises(ClipError) as error:
        clip.feature(LifteredMel())
    assert str(error.value) == (
        "ann/1: has no liftered_mel.npy, which the network needs; add it with "
        "`python -m data_prep 'features=[liftered_mel]' output=ROOT`"
    )
    with pytest.raises(ClipError, match=r"`python -m data_prep 'features=\[whisper\]' output"):
        clip.feature(Whisper())


def test_columns_of_another_checkpoint_are_not_taken(clip):
    np.save(clip.path / Whisper().file, np.zeros((384, 30), np.float32))
    assert clip.feature(Whisper(window=4)).shape == (384, 30)
    with pytest.raises(ClipError) as error:
        clip.feature(Whisper(checkpoint=OTHER, seconds=4))
    assert f"has no whisper-{OTHER}-4.npy, which the network needs, but whisper-384-" in str(
        error.value
    )
    asked = f"'features=[{{name: whisper, checkpoint: {OTHER}, seconds: 4}}]'"
    assert asked in str(error.value)
    np.save(clip.path / Whisper(checkpoint=OTHER).file, np.zeros((384, 30), np.float32))
    with pytest.raises(ClipError, match=r"is float32 \(384, 30\), not float32 \(512, columns\)"):
        clip.feature(Whisper(checkpoint=OTHER))
