"""The offset search as a stream: windows come in any portions and are not kept."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

VSHIFT = 15  # candidate offsets on either side, in frames, as published
_PORTION = 512  # windows compared at a time, which bounds the memory of the differences


class OffsetSearch:
    """Distances of every window to the sound at each candidate offset, windows read once.

    Beyond either end of the sound stand zeros, as published. To embeddings of unit length and
    either sign a zero would be as near as a cosine of one half; there, what is missing is as far
    as what has nothing to do with a window, a cosine of 0.

    Held are the last ``2 * vshift`` windows and one row of distances (31 numbers) a window, so an
    hour of video takes 11 MB, where its embeddings would take hundreds.

    Args:
        vshift: candidate offsets on either side, in frames.

    Raises:
        ValueError: ``vshift`` below 1.
    """

    def __init__(self, vshift: int = VSHIFT) -> None:
        if vshift < 1:
            raise ValueError(f"vshift must be at least 1, got {vshift}")
        self.vshift = vshift
        self.windows = 0
        self._video = torch.empty(0)  # (waiting, d) windows whose later sound is to come
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
            self._signed_units = _signed_units(video, audio)
            self._video = video[:0]
            self._audio = video.new_zeros(self.vshift, video.shape[1])  # before the clip: zeros
        self.windows += len(video)
        self._video = torch.cat([self._video, video])
        self._audio = torch.cat([self._audio, audio])
        self._compare(len(self._video) - self.vshift)

    @torch.no_grad()
    def distances(self) -> Tensor:
        """(n, 2 * vshift + 1) for all windows so far, zeros standing after the last; ends it.

        Raises:
            ValueError: there was no window.
        """
        if not self.windows:
            raise ValueError("sync_score needs at least one window, got none")
        self._audio = F.pad(self._audio, (0, 0, 0, self.vshift))
        self._compare(len(self._video))
        return torch.cat(self._rows)

    def _compare(self, count: int) -> None:
        """Measure the first ``count`` waiting windows and let go of them."""
        shifts = range(2 * self.vshift + 1)
        for first in range(0, count, _PORTION):
            video = self._video[first : min(first + _PORTION, count)]
            audio = [self._audio[first + c : first + c + len(video)] for c in shifts]
            row = torch.stack([F.pairwise_distance(video, a) for a in audio], 1)
            if self._signed_units:
                missing = torch.stack([(a == 0).all(dim=1) for a in audio], 1)
                row = torch.where(missing, math.sqrt(2), row)
            self._rows.append(row)
        if count > 0:
            self._video, self._audio = self._video[count:].clone(), self._audio[count:].clone()


def _signed_units(*embeddings: Tensor) -> bool:
    """Whether embeddings (n, d) have unit length, and negative components."""
    norms = torch.cat([torch.linalg.vector_norm(e, dim=1) for e in embeddings])
    is_signed = any(bool((e < 0).any()) for e in embeddings)
    return is_signed and torch.allclose(norms, torch.ones_like(norms), atol=1e-3)
