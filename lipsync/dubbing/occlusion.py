"""Keep occluders in front of dubbed faces: hands, microphones, captions, hair."""

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

_BETWEEN = 0.35, 0.65  # probabilities between which the dub fades out
_WIDER = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))  # dilation by two pixels
_OUTSIDE = 0.25  # minimum fraction of an occluder outside the mouth; teeth and tongue lie inside
_MOUTH = 0.28, 0.56, 0.56  # centre below the mouth corners, and radii, relative to mouth width


class Occlusion:
    """Finds occluders in front of faces.

    Args:
        network: trained on faces with the framing of the generator.
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
        """Visibility maps of faces: 0 where an occluder hides the face, 1 elsewhere.

        Args:
            crops: n uint8 (S, S, 3) RGB.
            references: for each, the same face at another time.

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
        """Drop components that lie inside the mouth, and dilate the others."""
        count, places = cv2.connectedComponents((hidden > 0).astype(np.uint8))
        kept = np.zeros_like(hidden)
        for number in range(1, count):
            there = places == number
            if self._beyond_mouth[there].mean() > _OUTSIDE:
                kept[there] = hidden[there]
        return cv2.GaussianBlur(cv2.dilate(kept, _WIDER), (0, 0), 1)


def load_occlusion(name: str | Path, framing: Framing, device: str) -> Occlusion | None:
    """Load an occlusion network by name or path; None for "none", or if its framing differs.

    Raises:
        CheckpointError: it cannot be loaded.
        ConfigError: not an occlusion network.
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
