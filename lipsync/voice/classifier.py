"""A speaker classifier with one Gaussian per speaker, independent of the trained networks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

_FLOOR = 0.01  # share of the mean variance, added to every coefficient's


def fit_gaussian(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (c,) and covariance (c, c), float64, of rows (n, c) of cepstra, n > 1."""
    rows = rows.double()
    covariance = torch.cov(rows.T)
    floor = _FLOOR * covariance.diagonal().mean()
    return rows.mean(dim=0), covariance + floor * torch.eye(rows.shape[1], dtype=torch.float64)


def share_of_speaker(rows: Tensor, means: Tensor, covariances: Tensor, speaker: int) -> Tensor:
    """Share of the rows (n, c) that are more likely under ``speaker`` (0 or 1) than the other.

    It is 0.8 to 0.9 on held-out real speech of two GRID speakers.

    Args:
        means: (2, c).
        covariances: (2, c, c).
    """
    likelihood = MultivariateNormal(means, covariances).log_prob(rows.double()[:, None])  # (n, 2)
    return (likelihood[:, speaker] > likelihood[:, 1 - speaker]).double().mean()
