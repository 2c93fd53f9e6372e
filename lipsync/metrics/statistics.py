"""How far a mean can be trusted: bootstrap intervals, and two systems on the same items.

Percentile bootstrap (Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13):
items, that is clips or pairs and never the windows inside of one, are drawn again with
replacement, and the interval holds the middle of what the statistic then comes to. The draws have
a fixed seed, so the same numbers always give the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

LEVEL = 0.95
RESAMPLES = 2000
_CHUNK = 2_000_000  # draws held at a time


@dataclass(frozen=True)
class Interval:
    """A mean (or another statistic) of ``n`` items, and the interval from ``low`` to ``high``.

    Of a single item there is no interval: ``low`` and ``high`` are NaN.
    """

    mean: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Plain values for JSON, ``None`` where there is no number."""
        return {k: v if np.isfinite(v) else None for k, v in asdict(self).items()}

    def text(self, digits: int = 3) -> str:
        """``1.234 [1.200, 1.270]``, or the mean alone where there is no interval."""
        if not np.isfinite(self.low):
            return f"{self.mean:.{digits}f}"
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same items: the mean of ``second - first`` and in how many it is above 0.

    ``clear`` says that the interval leaves 0 out.
    """

    difference: Interval
    share_higher: float

    @property
    def clear(self) -> bool:
        return self.difference.low > 0 or self.difference.high < 0


def bootstrap(
    items: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The interval of a statistic of sums over items, such as a ratio of two of them.

    Args:
        items: (n, k) what each of the items adds to the k sums.
        statistic: (draws, k) sums -> (draws,) values.
        level: share of the draws inside of the interval.
        resamples: how many draws.
        seed: of the draws.

    Raises:
        ValueError: no items, or items that are not (n, k) and finite.
    """
    items = np.asarray(items, float)
    if items.ndim != 2 or len(items) == 0:
        raise ValueError(f"bootstrap takes items (n, k) with n > 0, got {items.shape}")
    if not np.isfinite(items).all():
        raise ValueError("bootstrap got items that contain NaN or infinity")
    n = len(items)
    value = float(statistic(items.sum(axis=0, keepdims=True))[0])
    if n == 1:
        return Interval(value, np.nan, np.nan, 1)
    rng = np.random.default_rng(seed)
    lot = max(1, _CHUNK // n)
    draws = []
    for done in range(0, resamples, lot):
        chosen = rng.integers(0, n, (min(lot, resamples - done), n))
        sums = np.stack([column[chosen].sum(axis=1) for column in items.T], axis=1)
        draws.append(statistic(sums))
    tail = (1 - level) / 2
    low, high = np.nanquantile(np.concatenate(draws), [tail, 1 - tail])
    return Interval(value, float(low), float(high), n)


def mean_interval(values: Sequence[float] | np.ndarray, **options: float) -> Interval:
    """The mean of values (n,), one an item, with its interval; options as for :func:`bootstrap`.

    Raises:
        ValueError: no values, or NaN among them.

    Example:
        >>> mean_interval([1.0, 2.0, 3.0, 4.0])
        Interval(mean=2.5, low=1.5, high=3.5, n=4)
    """
    values = np.asarray(values, float)
    items = np.stack([values, np.ones_like(values)], axis=-1) if values.ndim == 1 else values
    return bootstrap(items, lambda sums: sums[:, 0] / sums[:, 1], **options)


def compare_paired(
    first: Mapping[str, float], second: Mapping[str, float], **options: float
) -> Comparison:
    """Compare two systems on the items that both have a number for.

    Pairing takes out what makes one item harder than another, so differences show that two
    separate intervals would hide.

    Args:
        first, second: item's name -> number; names that only one has are left out.
        options: as for :func:`bootstrap`.

    Raises:
        ValueError: no name in common.

    Example:
        >>> found = compare_paired({"a": 1.0, "b": 5.0}, {"a": 1.5, "b": 5.5, "c": 9.0})
        >>> found.difference, found.share_higher, found.clear
        (Interval(mean=0.5, low=0.5, high=0.5, n=2), 1.0, True)
    """
    names = [name for name in first if name in second]
    if not names:
        raise ValueError("the two have no item in common, so there is nothing to compare")
    gaps = np.array([second[name] - first[name] for name in names])
    return Comparison(mean_interval(gaps, **options), float((gaps > 0).mean()))
