"""The classifier that says whose speech it is."""

import pytest
import torch
from scipy.stats import multivariate_normal

from lipsync.voice.judge import fit_gaussian, log_likelihood, share_of_speaker


def test_likelihood_and_share_are_those_of_gaussians():
    torch.manual_seed(0)
    a, b = torch.randn(4000, 3), torch.randn(4000, 3) * 0.5 + 1.0
    fits = [fit_gaussian(x) for x in (a, b)]
    means, covariances = (torch.stack(x) for x in zip(*fits, strict=True))
    torch.testing.assert_close(means[1], torch.ones(3).double(), atol=0.05, rtol=0)
    reference = multivariate_normal(means[1].numpy(), covariances[1].numpy()).logpdf(a[:9].numpy())
    difference = log_likelihood(a[:9], means[1], covariances[1]) - torch.from_numpy(reference)
    assert float(difference.std()) == pytest.approx(0, abs=1e-9)  # up to a constant
    assert share_of_speaker(a, means, covariances, 0) > 0.8
    assert share_of_speaker(b, means, covariances, 1) > 0.8
    both = sum(share_of_speaker(a, means, covariances, i) for i in range(2))
    assert float(both) == pytest.approx(1)
