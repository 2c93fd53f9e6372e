"""Fréchet distance between two sets of images, in the features of a named network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from scipy.linalg import eigvalsh
from torch import Tensor
from torchmetrics import Metric


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    r"""Fréchet distance of two Gaussians (Dowson and Landau 1982; Heusel et al. 2017).

    :math:`\lVert \mu_a - \mu_b \rVert^2 + \operatorname{tr}(\Sigma_a + \Sigma_b
    - 2 (\Sigma_a \Sigma_b)^{1/2})`

    Args:
        mean_a, mean_b: (d,).
        cov_a, cov_b: (d, d).

    Example:
        >>> one = torch.eye(2)
        >>> round(frechet_distance(torch.zeros(2), one, torch.tensor([3.0, 0.0]), 4 * one), 6)
        11.0
    """
    mean_a, cov_a, mean_b, cov_b = (x.double().cpu() for x in (mean_a, cov_a, mean_b, cov_b))
    # tr (AB)^(1/2) from the eigenvalues of A^(1/2) B A^(1/2), which is symmetric.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    product = (root @ cov_b @ root).numpy()
    cross = torch.from_numpy(eigvalsh((product + product.T) / 2)).clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, float(distance))


class FrechetDistance(Metric):
    """Fréchet distance of generated and real images in the features of a network you supply.

    This is FID only with FID's own Inception network; with any other it is a different metric, so
    ``compute`` also returns the network's name and the number of feature vectors on each side. The
    distance falls as these numbers grow: compare equal numbers only.

    Args:
        network: images -> features (n, d); not registered as a submodule. ``None``: ``update``
            takes features.
        name: name of the network, e.g. ``"syncnet-open faces"``.
        features: number of features, d.

    ``update(pictures, real)``: a batch, and whether its images are real. ``compute()`` returns
    ``distance`` (float), ``network``, and the numbers of feature vectors ``generated`` and
    ``real``.

    Raises:
        ValueError: from ``update``, features that are not (n, d) or not finite; from ``compute``,
            fewer than two feature vectors on a side.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    network: Callable[..., Tensor] | None
    generated_n: Tensor
    real_n: Tensor

    def __init__(
        self, network: Callable[..., Tensor] | None, name: str, features: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.name, self.features = name, features
        self.__dict__["network"] = network  # not a submodule
        for side in ("generated", "real"):
            self.add_state(f"{side}_n", torch.tensor(0), dist_reduce_fx="sum")
            zeros = torch.zeros(features, dtype=torch.float64)
            self.add_state(f"{side}_sum", zeros, dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", torch.diag(zeros), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, pictures: Tensor, real: bool) -> None:
        found = self.network(pictures) if self.network is not None else pictures
        if found.ndim != 2 or found.shape[1] != self.features:
            raise ValueError(
                f"{self.name}: features must be (n, {self.features}), got {tuple(found.shape)}"
            )
        if not torch.isfinite(found).all():
            raise ValueError(f"{self.name}: features contain NaN or infinity")
        side, found = "real" if real else "generated", found.double()
        setattr(self, f"{side}_n", getattr(self, f"{side}_n") + len(found))
        setattr(self, f"{side}_sum", getattr(self, f"{side}_sum") + found.sum(dim=0))
        setattr(self, f"{side}_outer", getattr(self, f"{side}_outer") + found.T @ found)

    def compute(self) -> dict[str, Any]:
        sides = [self._gaussian(side) for side in ("generated", "real")]
        distance = frechet_distance(*sides[0], *sides[1])
        counts = {"generated": int(self.generated_n), "real": int(self.real_n)}
        return {"distance": distance, "network": self.name, **counts}

    def _gaussian(self, side: str) -> tuple[Tensor, Tensor]:
        n = int(getattr(self, f"{side}_n"))
        if n < 2:
            raise ValueError(f"FrechetDistance: {n} {side} features, two or more are needed")
        mean = getattr(self, f"{side}_sum") / n
        outer = getattr(self, f"{side}_outer")
        return mean, (outer - n * torch.outer(mean, mean)) / (n - 1)
