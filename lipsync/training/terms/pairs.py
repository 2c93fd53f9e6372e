"""Expert terms on the windows of a clip: audio and face (C, K, D), first frames (C, K)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lipsync import losses
from lipsync.errors import check_whole
from lipsync.metrics.lags import MAX_LAG
from lipsync.training.terms.base import Term


def check_gap(option: str, gap: int) -> None:
    """Raise ConfigError for a gap that leaves no negatives."""
    check_whole(option, gap, 1, MAX_LAG)


class PairsBCE(Term):
    """The published loss, see :func:`lipsync.losses.pairs_bce`.

    Args:
        min_gap: minimum offset of a negative window, in frames.
        weight: see :class:`Term`.
    """

    def __init__(self, *, min_gap: int = 5, weight: float = 1.0) -> None:
        super().__init__(weight)
        check_gap("model.min_gap", min_gap)
        self.min_gap = min_gap

    def forward(self, audio: Tensor, face: Tensor, start: Tensor) -> Tensor:
        return losses.pairs_bce(audio, face, start, self.min_gap)


class ClipInfoNCE(Term):
    """InfoNCE over the windows of one clip, see :func:`lipsync.losses.clip_info_nce`.

    Args:
        min_gap: windows offset by fewer frames than this are not used as negatives.
        temperature: initial value; it is learnt, between 0.01 and 1.
        weight: see :class:`Term`.
    """

    def __init__(self, *, min_gap: int = 2, temperature: float = 0.07, weight: float = 1.0) -> None:
        super().__init__(weight)
        check_gap("model.contrastive_gap", min_gap)
        self.min_gap = min_gap
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))

    def forward(self, audio: Tensor, face: Tensor, start: Tensor) -> Tensor:
        with torch.no_grad():  # clamp the parameter itself, so that its gradient survives
            self.log_temperature.clamp_(math.log(0.01), 0.0)
        temperature = self.log_temperature.exp()
        return losses.clip_info_nce(audio, face, start, temperature, self.min_gap)


class PairsSigmoid(Term):
    """Binary loss with a learnt scale and bias, see :func:`lipsync.losses.pairs_sigmoid`.

    Args:
        min_gap: minimum offset of a negative window, in frames.
        scale, threshold: initial values; a cosine at the threshold has probability 0.5.
        weight: see :class:`Term`.
    """

    def __init__(
        self, *, min_gap: int = 4, scale: float = 12.0, threshold: float = 0.5, weight: float = 1.0
    ) -> None:
        super().__init__(weight)
        check_gap("model.terms.sigmoid.min_gap", min_gap)
        self.min_gap = min_gap
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(-scale * threshold))

    def forward(self, audio: Tensor, face: Tensor, start: Tensor) -> Tensor:
        scale = self.log_scale.exp()
        return losses.pairs_sigmoid(audio, face, start, scale, self.bias, self.min_gap)
