"""Wav2Lip's sync loss, by a frozen lip-sync expert on generated windows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lipsync import losses
from lipsync.data.inputs import Span
from lipsync.errors import ConfigError, check_whole
from lipsync.features import feature_of
from lipsync.training.frozen import Frozen
from lipsync.training.step import Step
from lipsync.training.terms.base import Term


class Sync(Term):
    """Cross-entropy of the expert's cosine similarity, as published (Wav2Lip, section 3.2).

    Args:
        expert: a trained :class:`lipsync.models.SyncNet`, or its path or name; None uses the
            training's.
        threshold: the weight is 0 until this term falls below the threshold in validation; None
            applies it from the first batch.
        ramp: batches over which the weight then rises to its full value.
        window: window length in frames of a :class:`lipsync.models.LongSyncNet`, and minimum length
            of samples; None uses its moments of five frames.
        weight: see :class:`Term`.

    Raises:
        CheckpointError: an expert that cannot be loaded.
        ConfigError: invalid numbers.
    """

    def __init__(
        self,
        expert: nn.Module | str | Path | None = None,
        *,
        threshold: float | None = 0.75,
        ramp: int = 0,
        window: int | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        check_whole("sync ramp", ramp, 0)
        if window is not None:
            check_whole("sync window", window, 5)
        if threshold is not None and not threshold > 0:
            raise ConfigError(f"sync threshold={threshold}: must be above 0, or null")
        self.expert = None if expert is None else Frozen(expert, window)
        self.threshold, self.ramp, self.window = threshold, ramp, window
        self.start = -1  # batch at which the term was switched on; -1: not yet

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        self.name = name
        if self.expert is None:
            if networks.get("expert") is None:
                raise ConfigError(f"model.loss.{name} needs an expert; set model.expert")
            self.expert = Frozen(networks["expert"], self.window)
        check_expert("model.expert", self.expert.network)
        check_alike(
            "give an expert of the generator's size and framing with model.expert",
            generator=networks["generator"],
            expert=self.expert.network,
        )

    def span(self) -> Span:
        return window_span(self.expert.network)

    def factor(self, batch: int) -> float:
        start = 0 if self.threshold is None else self.start
        if start < 0 or batch < start:
            return 0.0
        return min(1.0, (batch - start + 1) / self.ramp) if self.ramp else 1.0

    def embed(self, step: Step, faces: Tensor) -> tuple[Tensor, Tensor]:
        """The expert's embeddings (N, D) of a step's audio and of ``faces``."""
        expert = self.expert.network
        return expert(step.spans[self.name], expert.see(faces[:, : expert.config["window"]]))

    def forward(self, step: Step) -> Tensor:
        audio, face = self.embed(step, step.fake)
        return losses.cosine_bce(audio, face, torch.ones(len(audio), device=audio.device))

    def validated(self, value: float, batch: int) -> None:
        if self.threshold is not None and self.start < 0 and value < self.threshold:
            self.start = batch

    def get_extra_state(self) -> Tensor:
        """Batch at which the term was switched on, for checkpoints."""
        return torch.tensor(self.start)

    def set_extra_state(self, state: Tensor) -> None:
        self.start = int(state)


class SyncShortfall(Sync):
    """How far the cosine similarity of generated windows falls short of that of the true ones.

    The published term pushes the cosine towards 1, which even true windows do not reach, so that
    after long training mouths move exaggeratedly. This term stops at the value of the true window.
    Options are those of :class:`Sync`.
    """

    def forward(self, step: Step) -> Tensor:
        audio, face = self.embed(step, step.fake)
        with torch.no_grad():
            _, real = self.embed(step, step.target)
        return (audio * (real - face)).sum(dim=1).float().clamp_min(0.0).mean()


def window_span(expert: nn.Module) -> Span:
    """Audio of one of an expert's windows."""
    return Span(feature_of(expert), expert.config["window"])


def check_expert(option: str, network: nn.Module) -> None:
    """Raise ConfigError for a network that does not compare faces with audio."""
    if not hasattr(network, "see") or "window" not in getattr(network, "config", {}):
        kind = type(network).__name__
        raise ConfigError(
            f"{option} is a {kind}, which does not compare faces with sound; use a SyncNet"
        )


def check_alike(remedy: str, **networks: nn.Module) -> None:
    """Raise ConfigError unless all networks use the same face size and framing."""
    for what in ("image_size", "framing"):
        seen = {name: net.config[what] for name, net in networks.items() if what in net.config}
        if len(set(seen.values())) > 1:
            told = ", ".join(f"{name} {value}" for name, value in seen.items())
            raise ConfigError(f"networks differ in {what}: {told}; {remedy}")
