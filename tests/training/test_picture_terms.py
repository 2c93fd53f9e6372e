"""Image losses: only the part of the lower half that the framing paints counts."""

from types import SimpleNamespace

import pytest
import torch

from lipsync.training.step import Step
from lipsync.training.terms import LowerReconstruction


@pytest.mark.parametrize(("framing", "share"), [("box", 0.0), ("aligned_jaw", 0.2)])
def test_all_rows_that_are_painted_count(framing, share):
    """An error in the rows from 3/8 to 1/2, which only one framing paints: 4 of its 20 rows."""
    target = torch.zeros(1, 1, 3, 32, 32)
    fake = target.clone()
    fake[..., 12:16, :] = 1
    term = LowerReconstruction()
    term.attach("lower", {"generator": SimpleNamespace(config={"framing": framing})})
    step = Step(0, target, target[:, 0], fake, torch.zeros(1))
    assert float(term(step)) == pytest.approx(share)
