"""Feature loss: match a frozen network's activations on generated and true windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lipsync import losses
from lipsync.data.inputs import Span
from lipsync.errors import ConfigError
from lipsync.training.frozen import Frozen
from lipsync.training.step import Step
from lipsync.training.terms.base import Term
from lipsync.training.terms.sync import check_alike, check_expert, window_span
from lipsync.training.terms.vgg import read_vgg

_VGG = "vgg:"


class Features(Term):
    """Difference between a frozen network's activations, averaged over layers.

    See :func:`lipsync.losses.feature_difference` and Johnson et al. 2016, section 3.1. The default
    network is the lip-sync expert's face encoder, which takes whole windows and so is sensitive to
    how the mouth moves.

    Args:
        network: an expert, or its path or name; or ``vgg:PATH``, weights of torchvision's VGG,
            which is applied frame by frame. None uses the training's expert.
        layers: indices of the layers to compare, from 0: layers of the expert's face encoder, or
            the five stages of VGG. None compares all.
        weight: see :class:`Term`.

    Raises:
        CheckpointError: a network that cannot be loaded.
        ConfigError: layers that do not exist.
    """

    def __init__(
        self,
        network: nn.Module | str | Path | None = None,
        *,
        layers: Sequence[int] | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        self.frames_alone = str(network).startswith(_VGG)
        if self.frames_alone:
            network = read_vgg(Path(str(network).removeprefix(_VGG)))
        self.frozen = None if network is None else Frozen(network)
        self.layers = None if layers is None else tuple(layers)

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        if self.frozen is None:
            if networks.get("expert") is None:
                raise ConfigError(f"model.loss.{name} needs an expert; set model.expert")
            self.frozen = Frozen(networks["expert"])
        expert = self.frozen.network
        if not self.frames_alone:
            check_expert(f"model.terms.{name}.network", expert)
            if not hasattr(expert, "face_encoder"):
                kind = type(expert).__name__
                raise ConfigError(f"model.loss.{name}: a {kind} cannot be used; use a SyncNet")
            check_alike(
                "give an expert of the generator's size and framing with model.expert",
                generator=networks["generator"],
                expert=expert,
            )
        count = len(self._encoder())
        if self.layers is not None and not set(self.layers) <= set(range(count)):
            raise ConfigError(
                f"model.terms.{name}.layers={list(self.layers)}: must be of 0 to {count - 1}"
            )

    def span(self) -> Span | None:
        return (
            None if self.frames_alone else window_span(self.frozen.network)
        )  # requested for its number of frames

    def forward(self, step: Step) -> Tensor:
        with torch.no_grad():
            real = self._activations(step.target)
        fake = self._activations(step.fake)
        values = [losses.feature_difference(*pair) for pair in zip(fake, real, strict=True)]
        return torch.stack(values).mean()

    def _encoder(self) -> nn.Sequential:
        network = self.frozen.network
        return network.stages if self.frames_alone else network.face_encoder

    def _activations(self, faces: Tensor) -> list[Tensor]:
        """Activations of the chosen layers on windows (N, T, 3, S, S)."""
        network, found = self.frozen.network, []
        every = list(self._encoder())
        chosen = every if self.layers is None else [every[k] for k in self.layers]
        hooks = [one.register_forward_hook(lambda *call: found.append(call[2])) for one in chosen]
        try:
            if self.frames_alone:
                network(faces.flatten(0, 1))
            else:
                network.embed_face(network.see(faces[:, : network.config["window"]]))
        finally:
            for hook in hooks:
                hook.remove()
        return found
