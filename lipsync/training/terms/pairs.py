"""Terms of an expert, on the windows of clips: audio and face (C, K, D), first frames (C, K)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lipsync import losses
from lipsync.errors import check_whole
from lipsync.metrics.lags import MAX_LAG
from lipsync.training.terms.base import Term


def check_gap(option: str, gap: int) -> None:
    """Raise ConfigError for a distance between windows that leaves no negatives."""
    check_whole(option, gap, 1, MAX_LAG)


class PairsBCE(Term):
    """The published objective, see :func:`lipsync.losses.pairs_bce`.

    Args:
        min_gap: least distance of a negative window, in frames.
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
        min_gap: windows nearer than this to the right one are no negatives, in frames.
        temperature: at first; it is learnt, between 0.01 and 1.
        weight: see :class:`Term`.
    """

    def __init__(self, *, min_gap: int = 2, temperature: float = 0.07, weight: float = 1.0) -> None:
        super().__init__(weight)
        check_gap("model.contrastive_gap", min_gap)
        self.min_gap = min_gap
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))

    def forward(self, audio: Tensor, face: Tensor, start: Tensor) -> Tensor:
        with torch.no_grad():  # the parameter itself, so that it can come back from its bounds
            self.log_temperature.clamp_(math.log(0.01), 0.0)
        temperature = self.log_temperature.exp()
        return losses.clip_info_nce(audio, face, start, temperature, self.min_gap)


class PairsSigmoid(Term):
    """In sync or not by one learnt scale and bias, see :func:`lipsync.losses.pairs_sigmoid`.

    Args:
        min_gap: least distance of a negative window, in frames.
        scale, threshold: at first; a cosine at the threshold is as likely in sync as not.
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
