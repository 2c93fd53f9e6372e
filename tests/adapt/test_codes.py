"""The adapted audio encoder's codes for a person's sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipsync.adapt import codes
from lipsync.adapt.codes import fit_codes
from lipsync.models import LipsCode

FRAMES = 4000  # three minutes


@pytest.fixture
def person(monkeypatch):
    """A model, and ``person(targets)``, which fits it to those codes."""
    torch.manual_seed(0)
    model = LipsCode(image_size=96, width=0.125, depth=0.0, numbers=2, sound_width=0.125).eval()
    last = model.audio_encoder[-1]
    heard = np.random.default_rng(0).normal(1.0, 2.0, (FRAMES, last.in_features))

    def fit(targets) -> tuple[np.ndarray, np.ndarray]:
        """The target codes, and the model's codes after the fit."""
        with torch.no_grad():
            before = last(torch.from_numpy(heard).float()).numpy()
            true = targets(heard, before)
            monkeypatch.setattr(codes, "_clips", lambda *_: (heard, true))
            fit_codes(model, None, [])
            return true, last(torch.from_numpy(heard).float()).numpy()

    return fit


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])


def test_a_layer_that_is_right_stays_as_it_was(person):
    true, told = person(lambda heard, before: before)
    np.testing.assert_allclose(told, true, atol=1e-4)


def test_the_person_s_own_rule_is_learnt_but_not_taken_over(person):
    rule = np.random.default_rng(1).normal(size=(32, 2))
    was = []

    def targets(heard, before):
        was.append(before)
        return before + heard[:, : len(rule)] @ rule

    true, told = person(targets)
    assert (correlation(told, true) > correlation(was[0], true) + 0.3).all()
    assert (correlation(told, true) < 0.999).all()
    np.testing.assert_allclose(told.mean(axis=0), true.mean(axis=0), atol=1e-3)


def test_mouths_move_as_far_as_the_person_s_but_not_for_noise_alone(person):
    noise = np.random.default_rng(2).normal(size=(FRAMES, 2))
    true, told = person(lambda heard, before: 3 + 1.5 * before)
    np.testing.assert_allclose(told.std(axis=0), true.std(axis=0), rtol=1e-3)
    true, told = person(lambda heard, before: 100 * noise)
    assert (told.std(axis=0) < 0.9 * true.std(axis=0)).all()
