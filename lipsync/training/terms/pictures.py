"""Terms that compare generated with true images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lipsync import losses
from lipsync.training.batches import framing_of
from lipsync.training.step import Step
from lipsync.training.terms.base import Term


class Reconstruction(Term):
    """Mean absolute error of the images."""

    def forward(self, step: Step) -> Tensor:
        return losses.reconstruction(step.fake, step.target)


class LowerReconstruction(Term):
    """Mean absolute error on the rows that the generator fills in, see `Framing.hidden_from`."""

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        self.framing = framing_of(networks["generator"])

    def forward(self, step: Step) -> Tensor:
        return losses.reconstruction(*map(self.framing.generated_rows, (step.fake, step.target)))


class Texture(Term):
    """Match the amount of fine detail in the true images; see :func:`lipsync.losses.texture`."""

    def forward(self, step: Step) -> Tensor:
        return losses.texture(step.fake, step.target)


class Structure(Term):
    """1 - MS-SSIM of the images."""

    def forward(self, step: Step) -> Tensor:
        return losses.structure(step.fake, step.target)
