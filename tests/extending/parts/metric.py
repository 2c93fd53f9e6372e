"""A validation metric: how much generated mouths flicker."""

from torch import Tensor

from lipsync.training.measures import PerSystem
from lipsync.training.step import Step
from lipsync.windows import lower_half


class Flicker(PerSystem):
    """Mean absolute change of the lower half from one frame of a window to the next.

    Logged as ``val/flicker_generated``, ``_real``, ``_copied_reference`` and ``_swapped_audio``;
    the real mouth's motion is the target.
    """

    def value(self, step: Step) -> Tensor:
        mouths = lower_half(step.fake)  # (N, T, 3, S/2, S)
        return (mouths[:, 1:] - mouths[:, :-1]).abs().mean()
