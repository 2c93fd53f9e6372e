"""A last touch on generated faces before they are pasted: sharpening, or a network of your own."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from lipsync.errors import ConfigError

Enhancer = Callable[[np.ndarray], np.ndarray]
"""float32 (n, S, S, 3) RGB in [0, 1], n faces -> the same faces, float32 (n, S', S', 3); S' may be
larger than S. Called from several threads."""

_AMOUNT = 0.8  # of the detail that is added
_FACTOR = 2  # by which a face is enlarged first, so that its edges do not become steps


def sharpen(faces: np.ndarray) -> np.ndarray:
    """Twice the size, with an unsharp mask: the built-in enhancer."""
    return np.stack([_sharper(face) for face in faces])


def _sharper(face: np.ndarray) -> np.ndarray:
    large = cv2.resize(face, None, fx=_FACTOR, fy=_FACTOR, interpolation=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(large, (0, 0), 0.8 * _FACTOR)
    return np.clip(large + _AMOUNT * (large - smooth), 0, 1)


ENHANCERS: dict[str, Enhancer | None] = {"none": None, "sharpen": sharpen}


def get_enhancer(enhance: str | Enhancer) -> Enhancer | None:
    """An enhancer by its name; a function is one already."""
    if callable(enhance):
        return enhance
    if enhance not in ENHANCERS:
        raise ConfigError(f"enhance must be one of {', '.join(ENHANCERS)}, got '{enhance}'")
    return ENHANCERS[enhance]
