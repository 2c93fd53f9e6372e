"""The speaker classifier."""

import pytest
import torch
from scipy.stats import multivariate_normal

from lipsync.voice.classifier import fit_gaussian, share_of_speaker


def test_the_share_is_that_of_the_likelier_gaussian():
    torch.manual_seed(0)
    a, b = torch.randn(4000, 3), torch.randn(4000, 3) * 0.5 + 1.0
    fits = [fit_gaussian(x) for x in (a, b)]
    means, covariances = (torch.stack(x) for x in zip(*fits, strict=True))
    torch.testing.assert_close(means[1], torch.ones(3).double(), atol=0.05, rtol=0)
    own, other = (
        multivariate_normal(means[i].numpy(), covariances[i].numpy()).logpdf(a.numpy())
        for i in range(2)
    )
    assert share_of_speaker(a, means, covariances, 0) == pytest.approx((own > other).mean())
    assert share_of_speaker(a, means, covariances, 0) > 0.8
    assert share_of_speaker(b, means, covariances, 1) > 0.8
    both = sum(share_of_speaker(a, means, covariances, i) for i in range(2))
    assert float(both) == pytest.approx(1)
