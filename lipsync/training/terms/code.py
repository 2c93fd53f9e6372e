"""Loss on the lips code predicted from audio."""

from __future__ import annotations

from torch import Tensor

from lipsync import losses
from lipsync.training.step import Step
from lipsync.training.terms.base import Term


class CodeError(Term):
    """Mean absolute difference between the code predicted from audio and that of the mouth.

    Args:
        velocity: weight of the same difference between frame-to-frame changes.
        weight: see :class:`Term`.
    """

    def __init__(self, *, velocity: float = 1.0, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.velocity = velocity

    def forward(self, step: Step) -> Tensor:
        predicted, code = step.predicted_code.float(), step.code.float()
        error = losses.reconstruction(predicted, code)
        if self.velocity and code.shape[1] > 1:
            error = error + self.velocity * losses.reconstruction(
                predicted.diff(dim=1), code.diff(dim=1)
            )
        return error
