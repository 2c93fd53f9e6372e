"""Write docs/dubbed.jpg, the README's picture, from a video of the GRID corpus and its dub.

    lipsync dub s1/bbas1s.mp4 s1/bgaa9a.mp4 -o dub.mp4 --model lipscode-open
    python docs/tools/strip.py s1/bbas1s.mp4 dub.mp4

Above frames of the video, below the same frames dubbed with another sentence.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from lipsync.media import read_frames

PICTURE = Path(__file__).parents[1] / "dubbed.jpg"
FRAMES = 10, 18, 22, 30, 35, 40, 45
CROP = slice(110, 260), slice(90, 240)  # the face, of 288 x 360


def main(*videos: str) -> None:
    strip = np.vstack([np.hstack(_faces(Path(video))) for video in videos])
    cv2.imwrite(str(PICTURE), strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def _faces(path: Path) -> list[np.ndarray]:
    frames = [frame for _, frame in read_frames(path)]
    return [frames[number][CROP] for number in FRAMES]


if __name__ == "__main__":
    main(*sys.argv[1:])
