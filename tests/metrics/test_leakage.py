"""Leakage: planted mouths that copy, rest or speak, and numbers computed by hand."""

import numpy as np
import pytest
import torch

from lipsync.metrics import leakage as L


def faces(levels) -> np.ndarray:
    """Grey faces (n, 96, 96, 3) with mouths of brightness ``levels``."""
    found = np.full((len(levels), 96, 96, 3), 80, np.uint8)
    found[:, 56:80, 32:64] = np.asarray(levels, np.uint8)[:, None, None, None]
    return found


def trace(levels) -> L.MouthTrace:
    found = L.MouthTrace()
    for face in faces(levels):
        found.add(face)
    return found


def test_a_trace_is_the_motion_of_the_mouth_alone():
    found = trace([10, 14, 14, 4])
    np.testing.assert_allclose(found.motion, [4, 0, 10], atol=1e-3)
    assert [mouth.shape for mouth in found.mouths] == [(6, 8)] * 4
    np.testing.assert_allclose(np.stack(found.mouths)[:, 0, 0], [10, 14, 14, 4], atol=1e-3)
    around = faces([10, 10])
    around[1, :56] = around[1, 80:] = 200
    around[1, :, :32] = around[1, :, 64:] = 200
    still = L.MouthTrace()
    for face in around:
        still.add(face)
    assert still.motion == [0]


def test_shares_and_correlations():
    source = np.array([1.0, 2, 3, 4, 5, 3])
    assert L.motion_share(source, source) == 1
    assert L.motion_share(source / 2 + 1, source) == pytest.approx(2.5 / 3)
    assert L.motion_share(0 * source, source) == 0
    assert np.isnan(L.motion_share(source, 0 * source))
    assert L.motion_correlation(source / 2 + 1, source) == pytest.approx(1)
    assert L.motion_correlation(-source, source) == pytest.approx(-1)
    assert L.motion_correlation(0 * source + 2, source) == 0  # no correlation
    # By hand: deviations (-2, -1, 0, 1, 2, 0) and (1, 0, -1, 0, 1, -1), products' sum 0.
    assert L.motion_correlation(np.array([2.0, 1, 0, 1, 2, 0]), source) == pytest.approx(0)
    assert np.isnan(L.motion_correlation(source, 0 * source + 2))
    assert np.isnan(L.motion_correlation(source[:4], source[:4]))
    with pytest.raises(ValueError, match=r"got \(6,\) and \(5,\)"):
        L.motion_share(source, source[:5])


def test_closed_is_as_near_to_rest_as_half_of_the_speaking_mouths():
    # The source rests at 50 for six frames; then it speaks at 52, 54, ... 70: the median is 11 off.
    source = np.array([50.0] * 6 + [*range(52, 71, 2)])[:, None, None]
    source_pauses = np.arange(16) < 6
    made = np.array([90.0, 90, 61, 39, 50, 50, 62, 38])[:, None, None]
    pauses = np.arange(8) >= 2  # four of these six are within 11
    assert L.closed_in_pauses(made, pauses, source, source_pauses) == pytest.approx(4 / 6)
    assert L.closed_in_pauses(source, ~source_pauses, source, source_pauses) == 0.5
    assert L.closed_in_pauses(source, source_pauses, source, source_pauses) == 1
    assert np.isnan(L.closed_in_pauses(made, np.arange(8) > 3, source, source_pauses))
    assert np.isnan(L.closed_in_pauses(made, pauses, source, source_pauses | True))


def test_a_dub_beside_its_source():
    levels = np.random.default_rng(0).integers(0, 256, 40)
    levels[:10] = 90
    source, pauses = trace(levels), np.arange(40) < 10
    copied = L.leakage(trace(levels[:30]), source, np.ones(30, bool), pauses)  # a shorter video
    assert copied["motion_share"] == pytest.approx(1)
    assert copied["motion_correlation"] == pytest.approx(1)
    # ten of thirty frames rest; of those that speak, about half count as closed
    assert 1 / 3 < copied["closed_in_pauses"] < 0.9
    frozen = L.leakage(trace([90] * 40), source, np.ones(40, bool), pauses)
    assert frozen == {"motion_share": 0, "motion_correlation": 0, "closed_in_pauses": 1}
    assert "closed_in_pauses" not in L.leakage(source, source, ~pauses & False, pauses)
    assert L.leakage(source, trace([9] * 40), pauses, ~pauses) == {"closed_in_pauses": 0}


def test_motion_within_windows():
    levels = torch.zeros(2, 3, 3, 48, 48)
    levels[0, 1] = 0.4  # up by 0.4 and down again
    levels[1, 2] = 0.2
    torch.testing.assert_close(L.window_motion(levels), torch.tensor([0.4, 0.1]))
    levels[..., 28:40, 16:32] = 0  # the mouth region is blank
    assert L.window_motion(levels).abs().max() == 0
