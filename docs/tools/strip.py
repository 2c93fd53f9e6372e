"""Write docs/dubbed.png, the README's picture, from a finished first run.

    python docs/tools/strip.py runs/first_run data/sample/footage

Above frames of a held-out head, below the same frames dubbed with another speaker's sentence.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from lipsync.media import read_frames

PICTURE = Path(__file__).parents[1] / "dubbed.png"
DUB, FRAMES = "speaker12_00003.mp4", (6, 16, 26, 38, 46, 56, 64)
CROP = slice(52, 188), slice(52, 188)  # the face, of 240 x 240


def main(run: str, footage: str) -> None:
    speaker, clip = DUB.removesuffix(".mp4").split("_")
    videos = Path(footage, speaker, f"{clip}.mp4"), Path(run, "dubbed", DUB)
    strip = np.vstack([np.hstack(_faces(path)) for path in videos])
    cv2.imwrite(str(PICTURE), strip[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _faces(path: Path) -> list[np.ndarray]:
    frames = [frame for _, frame in read_frames(path)]
    return [frames[number][CROP] for number in FRAMES]


if __name__ == "__main__":
    main(*sys.argv[1:])
