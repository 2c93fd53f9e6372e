"""Mixed precision for several optimisers whose gradients are accumulated."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.plugins import MixedPrecision, Precision


class SharedScaler(torch.amp.GradScaler):
    """Scales losses of float16 for several optimisers, by a scale that changes between batches.

    Lightning updates the scale after every optimiser. That of a discriminator comes between the
    gradients that its generator has accumulated, and the one that completes them.
    """

    def update(self, new_scale: Any = None) -> None:
        """Leave the scale as it is; :meth:`update_shared` changes it."""

    def update_shared(self) -> None:
        """Change the scale after all optimisers have stepped, if any has."""
        if self._per_optimizer_states:
            super().update()


def trainer_precision(name: str) -> tuple[str | None, list[Precision]]:
    """What the trainer is given for a precision: a name or, for float16, a plugin."""
    if name != "16-mixed":
        return name, []
    return None, [MixedPrecision(name, "cuda", SharedScaler("cuda"))]


def update_scale(plugin: Precision) -> None:
    """Call where all optimisers have stepped."""
    scaler = getattr(plugin, "scaler", None)
    if isinstance(scaler, SharedScaler):
        scaler.update_shared()
