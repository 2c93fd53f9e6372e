"""Silent samples: windows in pauses."""

import numpy as np
import pytest
from asked import EXPERT, GENERATOR, asked, columns, shown, spans, training

from lipsync.data.pauses import pausing_windows
from lipsync.data.store import open_clip, write_clip, write_split
from lipsync.errors import ConfigError
from lipsync.features import LipGANMFCC, Mel

SPOKEN = range(30, 60)  # frames of 90


@pytest.fixture(scope="module")
def pausing(tmp_path_factory):
    """One clip with speech in the middle and breathing around it, one without pauses."""
    root, rng = tmp_path_factory.mktemp("pausing"), np.random.default_rng(0)
    faces = np.zeros((90, 96, 96, 3), np.uint8)
    faces[:, 0, 0] = np.arange(90)[:, None]
    level = np.full(90, 0.001)
    level[SPOKEN] = 0.1  # 40 dB louder
    for key, loud in (("a/pauses", level), ("b/speaks", np.maximum(level, 0.05))):
        wave = (np.repeat(loud, 640) * rng.standard_normal(90 * 640)).astype(np.float32)
        write_clip(root, key, faces=faces, wave=wave, info={})
        write_split(root, key[0], [key])
    write_split(root, "train", ["a/pauses", "b/speaks"])
    return root


@pytest.mark.parametrize("window", [1, 5])
def test_pauses_keep_away_from_speech(pausing, window):
    starts = pausing_windows(open_clip(pausing, "a/pauses"), 91 - window, window)
    before, after = starts[starts < 30], starts[starts > 30]
    assert before.tolist() == list(range(28 - window))  # three quiet frames after it
    assert after.tolist() == list(range(after[0], 91 - window))
    assert after[0] in (62, 63)
    assert not len(pausing_windows(open_clip(pausing, "b/speaks"), 91 - window, window))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_samples_hears_silence_where_the_clip_pauses(pausing, share):
    inputs = asked(frames=5, sound=Mel(lead=2), spans=spans(sync=5), references=1)
    dataset = training(pausing, inputs, silence=share, windows=2, seed=3)
    silent = {"a/pauses": 0, "b/speaks": 0}
    for draw in range(200):
        sample = dataset[draw]
        clip = open_clip(pausing, sample["key"])
        nothing = (sample["sound"] == -4).all()
        silent[sample["key"]] += nothing
        for k, start in enumerate(sample["start"].tolist()):
            assert shown(sample["faces"][k]) == list(range(start, start + 5))
            own = columns(clip, "mel", int(3.2 * start), 16, -4)
            assert np.array_equal(sample["sound_sync"][k, 0], own)  # the expert hears the original
            if nothing:
                assert start < 25 or start > 60
            else:
                first = columns(clip, "mel", 16 * (start - 2) // 5, 16, -4)
                assert np.array_equal(sample["sound"][k, 0, 0], first)
    assert silent["b/speaks"] == 0  # like any other sample
    assert silent["a/pauses"] == pytest.approx(100 * share, abs=13)


def test_silence_is_that_of_the_feature(pausing):
    inputs = asked(sound=LipGANMFCC(), references=1)
    sample = training(pausing, inputs, silence=1.0, windows=3)[0]
    assert (sample["sound"] == 0).all() == (sample["key"] == "a/pauses")


@pytest.mark.parametrize(
    ("inputs", "share", "problem"),
    [
        (GENERATOR, -0.1, "must be 0 to 1"),
        (GENERATOR, 1.5, "must be 0 to 1"),
        (EXPERT, 0.1, "applies to generators only; set it to 0"),
    ],
)
def test_shares_that_cannot_be(prepared, inputs, share, problem):
    with pytest.raises(ConfigError) as error:
        training(prepared, inputs, silence=share)
    assert str(error.value) == f"data.train.silence={share}: {problem}"
