"""One step of a generator, as the terms of its objective and the measures of validation see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """Windows that were painted; N windows of T frames each.

    Attributes:
        batch: training batches before this one.
        target: (N, T, 3, S, S) true pictures, RGB in [0, 1].
        reference: (N, R, 3, S, S) other moments of the same faces, R for all frames of a window.
        fake: as ``target``, what was painted; on evaluation also what stands beside it.
        sound: (N, T, 1, bands, columns) beside every frame.
        spans: by the name of who hears it, (N, 1, bands, columns) beside whole windows.
        shifted: as ``sound``, of the same clip at another time; None where nobody asked for it.
        code: (N, T, numbers) of the targets' mouths, for generators that speak through a lips code.
        heard: as ``code``, what the sound is thought to say.
        flows: (N x T, R, 2, S, S) of a warping head, in half sides; None where nobody keeps them.
    """

    batch: int
    target: Tensor
    reference: Tensor
    fake: Tensor
    sound: Tensor
    spans: Mapping[str, Tensor] = field(default_factory=dict)
    shifted: Tensor | None = None
    code: Tensor | None = None
    heard: Tensor | None = None
    flows: Tensor | None = None
