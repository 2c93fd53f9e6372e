"""Terms that compare what was painted with the true pictures."""

from __future__ import annotations

from torch import Tensor

from lipsync import losses
from lipsync.training.step import Step
from lipsync.training.terms.base import Term


class Reconstruction(Term):
    """Mean absolute difference of the pictures."""

    def forward(self, step: Step) -> Tensor:
        return losses.reconstruction(*step.compared)


class LowerReconstruction(Term):
    """The same on the lower halves, which are what is painted."""

    def forward(self, step: Step) -> Tensor:
        return losses.lower_reconstruction(*step.compared)


class Texture(Term):
    """As much fine detail as the true pictures have; see :func:`lipsync.losses.texture`."""

    def forward(self, step: Step) -> Tensor:
        return losses.texture(*step.compared)


class Structure(Term):
    """1 - MS-SSIM of the pictures."""

    def forward(self, step: Step) -> Tensor:
        return losses.structure(*step.compared)
