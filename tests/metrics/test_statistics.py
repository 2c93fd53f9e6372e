"""Intervals and comparisons against known results, and their error rates."""

import doctest
from itertools import product

import numpy as np
import pytest
from scipy import stats

from lipsync.metrics import compare_paired, holm, mean_interval, share_interval, statistics
from lipsync.metrics.statistics import Interval, statistic_interval

DRAWS = 1200


def verdicts(gaps, clusters=None):
    """The verdict of each row of differences (rows, n)."""
    names = [str(k) for k in range(gaps.shape[1])]
    zero = dict.fromkeys(names, 0.0)
    groups = None if clusters is None else dict(zip(names, clusters, strict=True))
    rows = (dict(zip(names, row, strict=True)) for row in gaps)
    return [compare_paired(zero, row, groups).verdict for row in rows]


def false_alarms(draw, n, clusters=None):
    return verdicts(draw((DRAWS, n)), clusters).count("clear") / DRAWS


SCORES = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "uniform": lambda rng, size: rng.uniform(0, 1, size),
    "heavy tails": lambda rng, size: rng.standard_t(3, size),
    "skewed": lambda rng, size: rng.exponential(1.0, size),
    "shares": lambda rng, size: rng.random(size) < 0.5,
}


@pytest.mark.parametrize("kind", SCORES)
def test_systems_that_do_not_differ_are_told_apart_in_at_most_six_of_a_hundred(kind):
    rng = np.random.default_rng(3)
    for n in (5, 6, 8, 12, 20):

        def draw(size):
            return SCORES[kind](rng, size).astype(float) - SCORES[kind](rng, size)

        assert false_alarms(draw, n) <= 0.06, n


@pytest.mark.parametrize("sizes", [[5] * 8, [1, 2, 4, 8, 16, 30], [40] + 12 * [3]])
def test_nor_where_speakers_differ(sizes):
    rng = np.random.default_rng(4)
    speakers = np.repeat(np.arange(len(sizes)), sizes)

    def draw(size):
        return rng.standard_normal((size[0], len(sizes)))[:, speakers] + rng.standard_normal(size)

    assert false_alarms(draw, len(speakers)) > 0.2  # clips of a speaker are not independent
    assert false_alarms(draw, len(speakers), speakers) <= 0.06


def test_a_difference_that_is_there_is_found():
    rng = np.random.default_rng(5)
    for n, share in ((8, 0.5), (20, 0.9)):
        told = verdicts(rng.normal(1.0, 1.0, (200, n)))
        assert told.count("clear") / 200 > share


def test_few_items_or_speakers_are_too_few_to_say():
    gaps = np.array([[1.0, 1.1, 0.9, 1.0, 1.05, 1.2, 1.1, 0.8]])
    assert [verdicts(gaps[:, :n])[0] for n in (1, 5, 6)] == ["too few to say"] * 2 + ["clear"]
    assert verdicts(gaps, [0, 0, 1, 1, 2, 2, 3, 4]) == ["too few to say"]
    assert verdicts(gaps, [0, 0, 1, 1, 2, 3, 4, 5]) == ["clear"]
    assert verdicts(0 * gaps) == ["no clear difference"]


def test_the_interval_is_student_s():
    values = np.array([1.0, 2.0, 4.0, 5.0, 3.0])
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 4, 3.0, values.std(ddof=1) / np.sqrt(5))
    assert (found.mean, found.n) == (3.0, 5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    for n in (3, 8, 60):
        held = sum(i.low <= 1 <= i.high for i in map(mean_interval, rng.normal(1, 2, (600, n))))
        assert 0.93 <= held / 600 <= 0.97


def test_the_verdict_and_the_interval_agree():
    rng = np.random.default_rng(2)
    for n in (30, 300):
        for row in rng.normal(0.3, 1, (200, n)):
            found = compare_paired(dict.fromkeys(range(n), 0.0), dict(enumerate(row)))
            p = stats.ttest_1samp(row, 0).pvalue
            assert found.p == pytest.approx(p, abs=0.02)
            if not 0.04 < p < 0.06:
                assert found.clear == (found.difference.low > 0 or found.difference.high < 0)


def test_signs_decide_where_items_are_few():
    gaps = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.0])
    found = compare_paired(dict.fromkeys(range(6), 0.0), dict(enumerate(gaps)))
    sums = [abs(np.dot(signs, gaps)) for signs in product((1, -1), repeat=6)]
    assert found.p == pytest.approx(np.mean(np.array(sums) >= gaps.sum() - 1e-9))
    assert found.p > 100 * stats.ttest_1samp(gaps, 0).pvalue


def test_speakers_are_what_was_drawn():
    values, speakers = [1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 5.0, 5.0, 5.0], list("aaabbbccc")
    found = mean_interval(values, speakers)
    low, high = stats.t.interval(0.95, 2, 3.0, 2 / np.sqrt(3))
    assert (found.low, found.high, found.n) == (pytest.approx(low), pytest.approx(high), 9)
    assert mean_interval(values, list("abcdefghi")) == mean_interval(values)


def test_a_share_has_wilson_s_interval():
    def wilson(hits, n):
        found = stats.binomtest(hits, n).proportion_ci(method="wilson")
        return pytest.approx(found.low), pytest.approx(found.high)

    for hits, n in ((0, 2), (3, 5), (40, 40)):
        found = share_interval([True] * hits + [False] * (n - hits))
        assert (found.low, found.high) == wilson(hits, n)
    found = share_interval([True] * 9, list("aaabbbccc"))
    low = found.low
    assert (found.high, found.n) == (1.0, 9)
    assert low < share_interval([True] * 3).low < share_interval([True] * 9).low
    mixed = [True, True, True, False, False, False, True, True]
    assert share_interval(mixed, list("aaabbbcc")).low < share_interval(mixed).low


def test_a_ratio_is_of_sums_and_not_of_means():
    items = np.array([[1.0, 10.0], [9.0, 10.0], [0.0, 80.0]])
    found = statistic_interval(items, lambda sums: sums[:, 0] / sums[:, 1])
    assert found.mean == pytest.approx(0.1)
    assert found.low < 0.1 < found.high
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(300):
        below = rng.uniform(1, 3, 30)
        pairs = np.stack([2 * below + rng.normal(0, 1, 30), below], axis=1)
        ratio = statistic_interval(pairs, lambda sums: sums[:, 0] / sums[:, 1])
        held += ratio.low <= 2 <= ratio.high
    assert 0.92 <= held / 300 <= 0.98


def test_many_comparisons_cost_certainty():
    rng = np.random.default_rng(7)
    names = [str(k) for k in range(20)]
    zero = dict.fromkeys(names, 0.0)

    def compared(shift):
        values = rng.normal(shift, 1, 20)
        return compare_paired(zero, dict(zip(names, values, strict=True)))

    tables = [{str(m): compared(0) for m in range(10)} for _ in range(200)]
    wrong = [any(c.clear for c in table.values()) for table in tables]
    wrong_after = [any(c.clear for c in holm(table).values()) for table in tables]
    assert np.mean(wrong) > 0.25
    assert np.mean(wrong_after) <= 0.06
    few = compare_paired({"a": 1.0}, {"a": 2.0})
    raised = holm({"few": few, "clear": compared(2.0), "none": compared(0.1)})
    found = [c.verdict for c in raised.values()]
    assert found == ["too few to say", "clear", "no clear difference"]


def test_one_value_has_no_interval_nor_have_a_few_that_are_alike():
    found = mean_interval([3.0])
    assert (found.mean, found.n, found.text()) == (3.0, 1, "3.000")
    assert found.as_dict() == {"mean": 3.0, "low": None, "high": None, "n": 1}
    assert mean_interval([0.5] * 5).as_dict()["low"] is None
    assert mean_interval([0.5] * 6).text() == "0.500 [0.500, 0.500]"
    assert np.isnan(mean_interval([1.0, 2.0], ["a", "a"]).low)
    assert Interval(1.0, 0.5, 2.0, 9).text(1) == "1.0 [0.5, 2.0]"


def test_nothing_and_nan_are_errors():
    with pytest.raises(ValueError, match="n > 0"):
        mean_interval([])
    with pytest.raises(ValueError, match="NaN or infinity"):
        mean_interval([1.0, np.nan])
    with pytest.raises(ValueError, match="no item in common"):
        compare_paired({"a": 1.0}, {"b": 1.0})
    with pytest.raises(ValueError, match="share needs items"):
        share_interval([])


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
