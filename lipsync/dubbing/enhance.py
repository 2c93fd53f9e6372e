"""Enhancement of generated faces: sharpening, a face restorer, or a function of your own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lipsync.dubbing.restorer import SUFFIX, Restorer, load_restorer
from lipsync.errors import ConfigError

Enhancer = Callable[[np.ndarray], np.ndarray]
"""Maps faces, float32 (n, S, S, 3) RGB in [0, 1], to float32 (n, S', S', 3), where S' may be larger
than S. Called from several threads."""

_AMOUNT = 0.8  # strength of the unsharp mask
_FACTOR = 2  # upsampling before sharpening, to avoid jagged edges


def sharpen(faces: np.ndarray) -> np.ndarray:
    """The built-in enhancer: upsample by two and apply an unsharp mask."""
    return np.stack([_sharpen_face(face) for face in faces])


def _sharpen_face(face: np.ndarray) -> np.ndarray:
    large = cv2.resize(face, None, fx=_FACTOR, fy=_FACTOR, interpolation=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(large, (0, 0), 0.8 * _FACTOR)
    return np.clip(large + _AMOUNT * (large - smooth), 0, 1)


ENHANCERS: dict[str, Enhancer | None] = {"none": None, "sharpen": sharpen}


def get_enhancer(enhance: str | Path | Enhancer, device: str = "cpu") -> Enhancer | Restorer | None:
    """Get an enhancer by name or a restorer by path; functions are returned unchanged.

    Raises:
        ConfigError: an unknown name.
        CheckpointError: a file that is not a face restorer.
    """
    if callable(enhance):
        return enhance
    if Path(enhance).suffix.lower() == SUFFIX:
        return load_restorer(enhance, device)
    if enhance not in ENHANCERS:
        known = ", ".join(ENHANCERS)
        raise ConfigError(
            f"enhance must be one of {known} or the path of an {SUFFIX} file, got '{enhance}'"
        )
    return ENHANCERS[str(enhance)]
