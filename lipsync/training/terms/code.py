"""Terms of a lips code: what is heard is what the mouth does, what is painted is what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lipsync import losses
from lipsync.training.augment import PictureAugment
from lipsync.training.batches import batch_rng
from lipsync.training.step import Step
from lipsync.training.terms.base import Term


class CodeError(Term):
    """Mean absolute difference of the code that is heard from that of the mouth.

    Args:
        velocity: weight of the same for their changes from frame to frame.
        weight: see :class:`Term`.
    """

    def __init__(self, *, velocity: float = 1.0, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.velocity = velocity

    def forward(self, step: Step) -> Tensor:
        heard, code = step.heard.float(), step.code.float()
        error = losses.reconstruction(heard, code)
        if self.velocity and code.shape[1] > 1:
            error = error + self.velocity * losses.reconstruction(
                heard.diff(dim=1), code.diff(dim=1)
            )
        return error


class ReadBack(Term):
    """Mean absolute difference of the code that the coder reads in pictures from what was painted.

    It is what makes an editor obey a code beside which the rest of the face tells another mouth.
    The coder has to be one that does not learn.

    Args:
        view: what happens to the pictures before, alike in all frames of a window.
        seed: of the view.
        weight: see :class:`Term`.
    """

    def __init__(
        self, view: PictureAugment | None = None, *, seed: int = 0, weight: float = 1.0
    ) -> None:
        super().__init__(weight)
        self.view, self.seed = view, seed

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        self.__dict__["generator"] = networks["generator"]  # no part of this module

    def forward(self, step: Step) -> Tensor:
        faces = step.fake
        if self.view is not None:
            rng = batch_rng(self.seed, step.batch, purpose="read back", device=faces.device)
            faces = self.view(faces, 1.0, rng)
        read = self.generator.code_of_faces(faces.flatten(0, 1)).float()
        return losses.reconstruction(read, step.shown.float().flatten(0, 1))
