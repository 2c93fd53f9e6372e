"""What is in front of a face stays in front of its dub: hands, microphones, captions, hair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from lipsync.devices import to_device
from lipsync.errors import ConfigError
from lipsync.faces.framing import Framing, get_framing
from lipsync.models import OcclusionNet
from lipsync.models.folding import folded
from lipsync.models.inference import fastest_dtype
from lipsync.models.occlusion import SIDE

OCCLUSION = "occlusion-open"
NONE = "none"

_BETWEEN = 0.35, 0.65  # probabilities from which a pixel is shown less, and not at all
_WIDER = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))  # what is in front by two pixels
_OUTSIDE = 0.25  # of what is in front lies outside of the mouth; teeth and tongues lie inside
_MOUTH = 0.28, 0.56, 0.56  # of a mouth's width: how far below its corners the middle is, and radii


class Occlusion:
    """Finds what is in front of faces.

    Args:
        network: trained on faces of the framing that it is used for.
    """

    def __init__(self, network: OcclusionNet) -> None:
        self._device = next(network.parameters()).device
        self._dtype = fastest_dtype(self._device.type)
        self.network = folded(network).to(self._dtype)
        x, y, width = get_framing(network.config["framing"]).mouth
        below, across, down = (share * width for share in _MOUTH)
        unit = (np.arange(SIDE) + 0.5) / SIDE
        rows = ((unit - y - below) / down) ** 2
        self._beyond_mouth = ((unit - x) / across) ** 2 + rows[:, None] > 1

    @torch.inference_mode()
    def visible(self, crops: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> np.ndarray:
        """How much of each place of faces is seen, and not hidden by something.

        Args:
            crops: n uint8 (S, S, 3) RGB.
            references: of each the same face at another time.

        Returns:
            float32 (n, 64, 64) in [0, 1].
        """
        pixels = torch.from_numpy(np.stack([np.stack(crops), np.stack(references)]))
        faces = pixels.to(self._device).permute(0, 1, 4, 2, 3).to(self._dtype) / 255
        found = self.network(*faces)[:, 0].float().sigmoid().cpu().numpy()
        low, high = _BETWEEN
        hidden = np.clip((found - low) / (high - low), 0, 1)
        return 1 - np.stack([self._in_front(one) for one in hidden])

    def _in_front(self, hidden: np.ndarray) -> np.ndarray:
        """What comes from outside the mouth, a little wider."""
        count, places = cv2.connectedComponents((hidden > 0).astype(np.uint8))
        kept = np.zeros_like(hidden)
        for number in range(1, count):
            there = places == number
            if self._beyond_mouth[there].mean() > _OUTSIDE:
                kept[there] = hidden[there]
        return cv2.GaussianBlur(cv2.dilate(kept, _WIDER), (0, 0), 1)


def load_occlusion(name: str | Path, framing: Framing, device: str) -> Occlusion | None:
    """The network of a name or path; None for "none", and for another framing than its own.

    Raises:
        CheckpointError: it cannot be loaded.
        ConfigError: it is of another kind.
    """
    from lipsync.checkpoints.loading import load_model

    if name == NONE:
        return None
    network = load_model(name)
    if not isinstance(network, OcclusionNet):
        raise ConfigError(
            f"occlusion {name} is a {type(network).__name__}; use a network of model=occlusion, "
            f"or {NONE}"
        )
    if network.config["framing"] != framing.name:
        return None
    return Occlusion(to_device(network, device))
