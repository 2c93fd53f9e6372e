"""Streaming offset search: windows come in chunks of any size and are not stored."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

VSHIFT = 15  # candidate offsets on either side, in frames, as published
_PORTION = 512  # windows compared at a time, to bound memory


class OffsetSearch:
    """Distance of every window to the audio at each candidate offset, in one pass.

    The audio is zero-padded at both ends, as published. For signed unit-length embeddings, though,
    a zero vector would be as close as a cosine of 0.5; for those, missing audio gets the distance
    of an unrelated embedding, a cosine of 0.

    Memory holds the last ``2 * vshift`` windows and a row of distances (31 numbers) per window: 11
    MB per hour of video, where the embeddings would take hundreds.

    Args:
        vshift: maximum offset either way, in frames.

    Raises:
        ValueError: ``vshift`` below 1.
    """

    def __init__(self, vshift: int = VSHIFT) -> None:
        if vshift < 1:
            raise ValueError(f"vshift must be at least 1, got {vshift}")
        self.vshift = vshift
        self.windows = 0
        self._video = torch.empty(0)  # (waiting, d) windows still waiting for later audio
        self._audio = torch.empty(0)  # from `vshift` before the first waiting window on
        self._rows: list[Tensor] = []

    @torch.no_grad()
    def update(self, video_emb: Tensor, audio_emb: Tensor) -> None:
        """Add the next k windows: (k, d) each.

        Raises:
            ValueError: shapes that differ or are not (k, d), or NaN.
        """
        video, audio = torch.as_tensor(video_emb), torch.as_tensor(audio_emb)
        if video.ndim != 2 or video.shape != audio.shape:
            raise ValueError(
                "sync_score takes two arrays of one shape (windows, dimensions), got "
                f"{tuple(video.shape)} and {tuple(audio.shape)}"
            )
        if not (torch.isfinite(video).all() and torch.isfinite(audio).all()):
            raise ValueError("sync_score got embeddings that contain NaN or infinity")
        video, audio = video.float(), audio.float()
        if not self.windows:
            self._are_signed_units = _are_signed_units(video, audio)
            self._video = video[:0]
            self._audio = video.new_zeros(self.vshift, video.shape[1])  # padding before the clip
        self.windows += len(video)
        self._video = torch.cat([self._video, video])
        self._audio = torch.cat([self._audio, audio])
        self._compare(len(self._video) - self.vshift)

    @torch.no_grad()
    def distances(self) -> Tensor:
        """Finish, and return the distances (n, 2 * vshift + 1) of all windows.

        Raises:
            ValueError: there were no windows.
        """
        if not self.windows:
            raise ValueError("sync_score needs at least one window, got none")
        self._audio = F.pad(self._audio, (0, 0, 0, self.vshift))
        self._compare(len(self._video))
        return torch.cat(self._rows)

    def _compare(self, count: int) -> None:
        """Compare the first ``count`` waiting windows, and drop them."""
        shifts = range(2 * self.vshift + 1)
        for first in range(0, count, _PORTION):
            video = self._video[first : min(first + _PORTION, count)]
            audio = [self._audio[first + c : first + c + len(video)] for c in shifts]
            row = torch.stack([F.pairwise_distance(video, a) for a in audio], 1)
            if self._are_signed_units:
                missing = torch.stack([(a == 0).all(dim=1) for a in audio], 1)
                row = torch.where(missing, math.sqrt(2), row)
            self._rows.append(row)
        if count > 0:
            self._video, self._audio = self._video[count:].clone(), self._audio[count:].clone()


def _are_signed_units(*embeddings: Tensor) -> bool:
    """Whether embeddings (n, d) have unit length and some negative components."""
    norms = torch.cat([torch.linalg.vector_norm(e, dim=1) for e in embeddings])
    is_signed = any(bool((e < 0).any()) for e in embeddings)
    return is_signed and torch.allclose(norms, torch.ones_like(norms), atol=1e-3)
