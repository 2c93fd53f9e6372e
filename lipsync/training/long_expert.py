"""Training of a lip-sync expert for long windows, on stretches of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lipsync.data.inputs import Span
from lipsync.errors import ConfigError
from lipsync.features import feature_of
from lipsync.models import LongSyncNet
from lipsync.models.base import check_network
from lipsync.training.expert import ExpertTraining


class LongExpertTraining(ExpertTraining):
    """Train on stretches, comparing all windows within one at several window lengths.

    Every moment of a stretch is embedded once; see :class:`lipsync.models.LongSyncNet`. Validation
    metrics are for windows of the network's own length.

    Args:
        expert: a :class:`lipsync.models.LongSyncNet`.
        loss: as in :class:`.ExpertTraining`; a term is averaged over ``windows``.
        frames: length of a stretch, 6 to 50; clips must be at least this long.
        windows: window lengths to compare, in frames.
        options: see :class:`.ExpertTraining`.

    Raises:
        ConfigError: invalid lengths, or another network.
    """

    def __init__(
        self,
        expert: nn.Module,
        loss: Mapping[str, Any],
        *,
        frames: int = 36,
        windows: Sequence[int] = (5, 10, 15, 25),
        **options: Any,
    ) -> None:
        check_network("model.expert", expert, LongSyncNet, ())
        super().__init__(expert, loss, **options)
        least, most = expert.moment, frames - self.min_gap
        if not windows or not all(least <= each <= most for each in windows):
            raise ConfigError(
                f"model.windows={list(windows)}: must be {least} to {most} frames, so that "
                f"negatives {self.min_gap} frames away fit into model.frames={frames}"
            )
        self.frames, self.windows = frames, tuple(windows)
        self.window = expert.moment  # clips are embedded moment by moment
        self._moment = feature_of(expert).spanning(self.window)
        self._stretch = feature_of(expert).spanning(frames)

    def span(self, evaluation: bool) -> Span:
        """Audio of a stretch, or of moments in evaluation, where a sample is a whole clip."""
        return Span(self._moment, self.window) if evaluation else Span(self._stretch, self.frames)

    def check_data(self, train: Any) -> None:
        """Accept any number of windows: a stretch contains its own negatives."""

    def shrink(self, faces: Tensor) -> Tensor:
        """Resize faces to the network's input size."""
        return self.expert.shrink(faces)

    def encode(self, sound: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of moments, not normalised."""
        return self.expert.audio_moments(sound), self.expert.face_moments(seen)

    def window_sets(self, batch: dict[str, Any], faces: Tensor, sound: Tensor) -> list[tuple]:
        """Stretches (C, K, T, 3, rows, W) and their audio -> windows of every length."""
        frames = faces.flatten(0, 1).unfold(1, self.window, 1).movedim(-1, 2)
        heard = self.expert.cut_sound(sound.flatten(0, 1))
        audio, face = self.embed(frames, heard)  # (stretches, moments, d)
        found = []
        for window in self.windows:
            heard, seen = self.expert.join(audio, window), self.expert.join(face, window)
            found.append((heard, seen, _first_frames(seen)))
        return found

    def embed_clip(self, faces: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of windows of the network's own length, one per starting frame."""
        audio, face = super().embed_clip(faces, sound)
        return self.expert.join(audio), self.expert.join(face)


def _first_frames(windows: Tensor) -> Tensor:
    """First frames (C, K) of windows that start at successive frames."""
    return torch.arange(windows.shape[1], device=windows.device).expand(windows.shape[:2])
