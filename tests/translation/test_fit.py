"""The placement of lines, against results computed by hand."""

import pytest

from lipsync.translation.fit import COMFORTABLE, GAP, LEAD, fit

BOUNDS = {"slowest": 0.9, "fastest": 1.4}


def one(natural: float, slot=(2.0, 4.0), total: float = 10.0, **bounds):
    return fit([slot], [natural], total, **(BOUNDS | bounds))[0]


def test_a_line_of_the_right_length_is_left_alone() -> None:
    placed = one(2.0)
    assert (placed.start, placed.end, placed.speed) == (2.0, 4.0, 1.0)
    assert placed.borrowed == placed.over == 0


def test_a_short_line_is_slowed_down_as_far_as_allowed() -> None:
    assert one(1.9).speed == pytest.approx(0.95)
    assert one(1.0).speed == 0.9
    assert one(1.0).end == pytest.approx(2.0 + 1.0 / 0.9)


def test_a_slightly_long_line_is_sped_up_in_its_place() -> None:
    placed = one(2.2)
    assert placed.speed == pytest.approx(1.1)
    assert placed.end == pytest.approx(4.0)
    assert placed.borrowed == 0


def test_a_longer_line_borrows_the_pause_after_it() -> None:
    placed = one(2.99)
    assert placed.speed == pytest.approx(COMFORTABLE)
    assert placed.start == 2.0
    assert placed.borrowed == pytest.approx(2.99 / 1.15 - 2.0)


def test_then_the_pause_before_it_and_then_speed() -> None:
    placed = one(4.0, total=4.5)  # 2.5 s in its slot and after it, at most 1 s before it
    assert placed.start == pytest.approx(2.0 - (4.0 / 1.15 - 2.5))
    assert placed.speed == pytest.approx(COMFORTABLE)
    placed = one(4.9, total=4.5)
    assert placed.start == 2.0 - LEAD
    assert placed.speed == pytest.approx(4.9 / 3.5)
    assert placed.over == 0


def test_what_does_not_fit_is_over() -> None:
    placed = one(7.0, total=4.5)
    assert placed.speed == 1.4
    assert placed.over == pytest.approx(7.0 / 1.4 - 3.5)


def test_lines_keep_apart() -> None:
    slots, natural = [(0.0, 2.0), (2.3, 4.0)], [2.5, 1.7]
    first, second = fit(slots, natural, 4.0, **BOUNDS)
    assert first.end == pytest.approx(2.5 / 1.15)
    assert second.start >= first.end + GAP - 1e-9
    assert second.end <= 4.0 + 1e-9


def test_a_line_makes_room_for_one_that_would_not_fit_after_it() -> None:
    """Alone, the first line would last until 2.96; the second needs 2 s and has 1.9."""
    slots, natural = [(0.0, 2.0), (3.0, 4.9)], [3.4, 2.8]
    first, second = fit(slots, natural, 4.9, **BOUNDS)
    assert second.start == pytest.approx(4.9 - 2.8 / 1.4)
    assert second.over == first.over == 0
    assert first.end <= second.start - GAP + 1e-9


def test_a_silent_line_leaves_its_time_to_the_others() -> None:
    slots, natural = [(0.0, 1.0), (1.2, 2.0), (2.2, 3.0)], [2.0, 0.0, 0.8]
    first, silent, _ = fit(slots, natural, 3.0, **BOUNDS)
    assert first.speed == pytest.approx(COMFORTABLE)
    assert silent.start == silent.end


def test_nothing_ends_after_the_video() -> None:
    for natural in (0.5, 1.0, 1.2):
        placed = one(natural, slot=(3.0, 4.0), total=3.9)
        assert placed.end - placed.over <= 3.9 + 1e-9
