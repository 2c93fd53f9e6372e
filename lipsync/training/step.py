"""One step of a generator, as passed to loss terms and validation metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """A batch of N windows of T frames each.

    Attributes:
        batch: training batches before this one.
        target: (N, T, 3, S, S) true frames, RGB in [0, 1].
        reference: (N, R, 3, S, S) the same faces at other times, shared by all frames of a window.
        fake: like ``target``, the generated frames; in evaluation, those of any system.
        sound: (N, T, 1, bands, columns) audio of each frame.
        spans: name of a term or metric -> (N, 1, bands, columns) audio of whole windows.
        shifted: like ``sound``, from another time of the same clip; None if not requested.
        code: (N, T, numbers) lips codes of the target's mouth; None without a lips code.
        predicted_code: like ``code``, predicted from audio.
        flows: (N x T, R, 2, S, S) flows of a warp head, in half image sides; None if not kept.
    """

    batch: int
    target: Tensor
    reference: Tensor
    fake: Tensor
    sound: Tensor
    spans: Mapping[str, Tensor] = field(default_factory=dict)
    shifted: Tensor | None = None
    code: Tensor | None = None
    predicted_code: Tensor | None = None
    flows: Tensor | None = None
