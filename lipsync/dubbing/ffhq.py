"""Dubbed faces as face restorers take them: aligned as in FFHQ, with the whole head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from lipsync.dubbing.blend import match_colours
from lipsync.dubbing.faces import Face
from lipsync.dubbing.restorer import Restorer
from lipsync.faces.align import TEMPLATE, aligned_transforms, crop_aligned
from lipsync.faces.framing import Framing

# Eyes, nose tip and corners of the mouth in the aligned pictures of FFHQ, which restorers are
# trained on, in the unit square.
FFHQ = (
    np.array(
        [
            [192.98138, 239.94708],
            [318.90277, 240.19360],
            [256.63416, 314.01935],
            [201.26117, 371.41043],
            [313.08905, 371.15118],
        ]
    )
    / 512
)
_MOST = 512  # pixels to a side of what is laid over a frame
_STEP = 32  # of them: it comes in few different sizes


def restored(
    restorer: Restorer,
    pictures: Iterable[np.ndarray],
    faces: Sequence[Face],
    framing: Framing,
    match: bool,
) -> list[np.ndarray]:
    """Restored faces, each cut as the generator's crops are.

    Args:
        restorer: the network.
        pictures: of each face its frame, uint8 (H, W, 3), with what was generated in it.
        faces: where they lie.
        framing: the generator's.
        match: bring them to the colours that they had around what was generated.

    Returns:
        float32 (S', S', 3) in [0, 1], S' as large as the crop in the frame, 512 at most.
    """
    squares = [ffhq_square(face, framing) for face in faces]
    side = restorer.side
    seen = [
        crop_aligned(picture, square, side, cv2.INTER_CUBIC)
        for picture, square in zip(pictures, squares, strict=True)
    ]
    made = []
    rows = zip(restorer.restore(np.stack(seen)), seen, squares, faces, strict=True)
    for picture, before, square, face in rows:
        after = np.clip(_as_crop(picture, square, face.transform), 0, 1)
        if match:
            before = _as_crop(before, square, face.transform)
            after = match_colours(after, before, framing.mask)
        made.append(after)
    return made


def ffhq_square(face: Face, framing: Framing) -> np.ndarray:
    """Where the square of FFHQ lies about a face, float64 (2, 3): from unit square to frame.

    By the place of the crop, which does not tremble, where the framing is aligned by landmarks
    itself; else by the landmarks where they are known.
    """
    template = getattr(framing, "template", TEMPLATE)
    marks = template @ face.transform[:, :2].T + face.transform[:, 2]
    if not framing.needs_landmarks and face.landmarks is not None:
        marks = np.where(np.isfinite(face.landmarks).all(), face.landmarks, marks)
    return aligned_transforms(marks[None], FFHQ, radius=0)[0]


def _as_crop(picture: np.ndarray, square: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """What lies in a crop of a picture (S, S, 3) that fills ``square``."""
    whole = np.vstack([square, [0, 0, 1]])
    inside = np.linalg.solve(whole, np.vstack([transform, [0, 0, 1]]))[:2]
    across = float(np.hypot(*transform[:, 0]))
    size = min(_MOST, _STEP * int(np.ceil(across / _STEP)))
    return crop_aligned(picture, inside * picture.shape[0], size, cv2.INTER_CUBIC)
