"""Mixed precision with several optimisers and gradient accumulation."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.plugins import MixedPrecision, Precision


class SharedScaler(torch.amp.GradScaler):
    """Float16 loss scaler shared by several optimisers, updated only after all have stepped.

    Lightning updates the scale after each optimiser: after the discriminator's step, the generator
    would accumulate gradients of different scales.
    """

    def update(self, new_scale: Any = None) -> None:
        """Do nothing; :meth:`update_shared` updates the scale."""

    def update_shared(self) -> None:
        """Update the scale after all optimisers have stepped, if any has."""
        if self._per_optimizer_states:
            super().update()


def trainer_precision(name: str) -> tuple[str | None, list[Precision]]:
    """The trainer's ``precision`` and ``plugins`` for a precision: float16 needs a plugin."""
    if name != "16-mixed":
        return name, []
    return None, [MixedPrecision(name, "cuda", SharedScaler("cuda"))]


def update_scale(plugin: Precision) -> None:
    """Update the loss scale, if any, after all optimisers have stepped."""
    scaler = getattr(plugin, "scaler", None)
    if isinstance(scaler, SharedScaler):
        scaler.update_shared()
