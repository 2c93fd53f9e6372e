"""Intervals and comparisons against what is known of them."""

import doctest

import numpy as np
import pytest

from lipsync.metrics import compare_paired, mean_interval, statistics
from lipsync.metrics.statistics import Interval, bootstrap


def test_the_interval_is_that_of_the_normal_for_many_values():
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = mean_interval(values)
    error = values.std() / np.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert found.n == 400
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = mean_interval(rng.exponential(1.0, 60), resamples=400)
        held += found.low <= 1.0 <= found.high
    assert 0.88 <= held / 300 <= 0.98


def test_a_ratio_is_of_sums_and_not_of_means():
    items = np.array([[1.0, 10.0], [9.0, 10.0], [0.0, 80.0]])
    found = bootstrap(items, lambda sums: sums[:, 0] / sums[:, 1])
    assert found.mean == pytest.approx(0.1)
    assert (found.low, found.high, found.n) == (pytest.approx(0.0), pytest.approx(0.9), 3)


def test_the_same_numbers_give_the_same_interval():
    values = np.random.default_rng(2).random(50)
    assert mean_interval(values) == mean_interval(list(values))
    assert mean_interval(values) != mean_interval(values, seed=1)


def test_one_value_has_no_interval():
    found = mean_interval([3.0])
    assert (found.mean, found.n, found.text()) == (3.0, 1, "3.000")
    assert found.as_dict() == {"mean": 3.0, "low": None, "high": None, "n": 1}
    assert Interval(1.0, 0.5, 2.0, 9).text(1) == "1.0 [0.5, 2.0]"


def test_nothing_and_nan_are_errors():
    with pytest.raises(ValueError, match="n > 0"):
        mean_interval([])
    with pytest.raises(ValueError, match="NaN or infinity"):
        mean_interval([1.0, np.nan])
    with pytest.raises(ValueError, match="no item in common"):
        compare_paired({"a": 1.0}, {"b": 1.0})


def test_pairing_finds_a_small_difference_between_hard_items():
    rng = np.random.default_rng(3)
    first = {f"{k}": rng.uniform(0, 100) for k in range(40)}
    second = {name: value + rng.normal(0.5, 0.2) for name, value in first.items()}
    found = compare_paired(first, second)
    assert found.clear
    assert found.difference.mean == pytest.approx(0.5, abs=0.1)
    assert found.share_higher > 0.9
    assert not compare_paired(first, first).clear


def test_the_examples_in_the_docstrings_run():
    failures, count = doctest.testmod(statistics)
    assert failures == 0
    assert count >= 3
