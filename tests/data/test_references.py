"""The choice of reference frames for a window."""

import numpy as np
import pytest
from asked import GENERATOR, LIPGAN, asked, evaluation, shown, training

from lipsync.data.references import ReferenceDraws
from lipsync.data.store import write_clip, write_split
from lipsync.errors import ClipError, ConfigError
from lipsync.features import Mel


def several(references: int, window: int = 5):
    return asked(frames=window, sound=Mel(), references=references)


@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize("window", [1, 5, 9])
def test_references_are_single_frames_five_and_more_away(prepared, window, references):
    dataset, seen = training(prepared, several(references, window), windows=3), set()
    for draw in range(40):
        sample = dataset[draw]
        assert sample["reference"].shape == (3, references, 96, 96, 3)
        assert sample["reference"].dtype == np.uint8
        places = np.array(shown(sample["reference"]))
        first, last = sample["start"][:, None], sample["start"][:, None] + window - 1
        assert (np.maximum(first - places, places - last) >= 5).all()
        seen.update(places.ravel().tolist())
    assert (min(seen), max(seen)) == (0, 29)


def test_a_short_clip_refers_to_any_other_frame(make_prepared, tmp_path):
    dataset = training(make_prepared(tmp_path, {"train": ["a/b"]}, frames=7), GENERATOR)
    pairs = {(int(dataset[d]["start"][0]), shown(dataset[d]["reference"])[0][0]) for d in range(60)}
    assert pairs == {(0, 5), (0, 6), (1, 0), (1, 6), (2, 0), (2, 1)}


def test_a_clip_of_one_window_has_no_reference(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/short"], "val": ["a/short"]}, frames=5)
    for dataset in (training(root, GENERATOR), evaluation(root, GENERATOR, windows=1)):
        with pytest.raises(
            ClipError,
            match=r"a/short: has one window only.*take it out of the "
            "split",
        ):
            dataset[0]


@pytest.fixture(scope="module")
def nodding(tmp_path_factory):
    """A head that alternates between two poses every five frames, with all mouth sizes in each."""
    root = tmp_path_factory.mktemp("nodding")
    number = np.arange(100)
    faces = np.full((100, 96, 96, 3), 90, np.uint8)
    faces[:, 8:40, 8:88] = np.where(number // 5 % 2, 200, 40)[:, None, None, None]
    faces[:, 56:88, 32:64] = (number * 37 % 100 * 2)[:, None, None, None]
    faces[:, 0, 0] = number[:, None]
    write_clip(root, "a/b", faces=faces, wave=np.ones(64000, np.float32), info={})
    write_split(root, "train", ["a/b"])
    return root


def drawn(root, draws: ReferenceDraws) -> tuple[float, float]:
    """Share of references in the window's pose, and distance of their mouths from its middle."""
    dataset = training(root, asked(sound=Mel(), references=1), references=draws)
    alike, apart = [], []
    for draw in range(200):
        sample = dataset[draw]
        target, reference = sample["faces"][0, 0].astype(int), sample["reference"][0, 0].astype(int)
        alike.append((target[20, 20] == reference[20, 20]).all())
        apart.append(abs(target[70, 48, 0] - reference[70, 48, 0]))
    return float(np.mean(alike)), float(np.mean(apart))


def test_references_are_near_in_pose_and_far_at_the_mouth(nodding):
    at_random = drawn(nodding, ReferenceDraws(candidates=1))
    assert at_random == pytest.approx((0.5, 200 / 3), rel=0.2)
    assert drawn(nodding, ReferenceDraws(candidates=8, random=1.0)) == at_random
    alike, apart = drawn(nodding, ReferenceDraws(candidates=8, random=0.0))
    assert alike > 0.85  # in 14 % of the windows fewer than four of eight are
    assert apart > 1.4 * at_random[1]
    assert at_random[0] + 0.1 < drawn(nodding, ReferenceDraws(candidates=8, random=0.5))[0] < alike


def test_dropout_repeats_the_first(prepared):
    for dropout, low, high in ((0.0, 0.0, 0.15), (0.5, 0.4, 0.65), (1.0, 1.0, 1.0)):
        dataset = training(
            prepared, several(3), windows=2, references=ReferenceDraws(dropout=dropout)
        )
        places = np.concatenate([shown(dataset[draw]["reference"]) for draw in range(60)])
        repeated = places[:, 1:] == places[:, :1]
        assert low <= repeated.mean() <= high
        assert repeated[:, 0].mean() == pytest.approx(repeated[:, 1].mean(), abs=0.2)


@pytest.mark.parametrize("frames", [12, 30])
@pytest.mark.parametrize("references", [1, 2, 4])
def test_evaluation_spreads_them_over_the_rest_of_the_clip(
    make_prepared, tmp_path, frames, references
):
    root = make_prepared(tmp_path, {"val": ["a/b"]}, frames=frames)
    sample = evaluation(root, several(references), windows=4)[0]
    assert sample["reference"].shape == (4, references, 96, 96, 3)
    places = np.array(shown(sample["reference"]))
    steps = (places - sample["start"][:, None]) % frames
    assert (np.sort(steps) == steps).all()
    assert steps.min() >= 5  # the window's own frames are not references
    rest, gaps = frames - 5, np.diff(steps, axis=1)
    assert (np.abs(gaps - rest / references) <= 1).all()
    assert (np.abs(steps[:, 0] - 5 - rest / references / 2) <= 1).all()


def test_they_follow_from_seed_and_draw(prepared):
    for inputs in (LIPGAN, several(2)):
        one, again, other = (training(prepared, inputs, windows=2, seed=s) for s in (1, 1, 2))
        places = [[shown(d[draw]["reference"]) for draw in range(9)] for d in (one, again, other)]
        assert places[0] == places[1] != places[2]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"candidates": 0}, "candidates=0: must be a whole number, 1 or more"),
        ({"random": 1.5}, "random=1.5: must be 0 to 1"),
        ({"dropout": -0.1}, "dropout=-0.1: must be 0 to 1"),
    ],
)
def test_draws_that_cannot_be(options, problem):
    with pytest.raises(ConfigError) as error:
        ReferenceDraws(**options)
    assert str(error.value) == f"data.train.references.{problem}"
