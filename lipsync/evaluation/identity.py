"""Identity preservation of a dub, measured by a face recogniser."""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np

from lipsync.evaluation.recogniser import ARCFACE, Recogniser
from lipsync.evaluation.videos import Stretch
from lipsync.faces.align import aligned_transforms, crop_aligned

_MOMENTS = 16  # frames of a video that are compared


class Person:
    """The person in a real video.

    Args:
        real: the video.
        recogniser: a face recogniser.
    """

    def __init__(self, real: Stretch, recogniser: Recogniser) -> None:
        self.real, self.recogniser = real, recogniser
        marks = real.landmarks
        self._places: np.ndarray | None = None
        if marks is not None and np.isfinite(marks).all() and len(marks) > 1:
            self._places = aligned_transforms(marks, ARCFACE)
            self._moments = np.unique(np.linspace(0, len(marks) - 1, _MOMENTS).astype(int))
            self._known = self._embed(real)

    def distance(self, video: Stretch) -> dict[str, float]:
        """``identity``: distance of the person in a video from the one in the real video.

        Each face is compared with one half the video's length away in the real video, so that the
        real video's own distance is that between two of its moments, and not 0.

        Args:
            video: the real video, or a dub of it with the face in the same places.

        Returns:
            1 minus the cosine, mean over 16 moments, in [0, 2]; empty if landmarks are unknown or
            the video is too short.
        """
        if self._places is None:
            return {}
        found = self._known if video is self.real else self._embed(video)
        known = np.roll(self._known, -(len(self._known) // 2), axis=0)[: len(found)]
        if not len(found):
            return {}
        return {"identity": float(1 - (found * known).sum(axis=1).mean())}

    def _embed(self, video: Stretch) -> np.ndarray:
        assert self._places is not None
        frames = islice(video.footage, self.real.start, self.real.end)
        moments = set(self._moments.tolist())
        faces = [
            crop_aligned(frame, self._places[number], self.recogniser.side, cv2.INTER_LINEAR)
            for number, frame in enumerate(frames)
            if number in moments
        ]
        return self.recogniser.embed(faces) if faces else np.zeros((0, 1), np.float32)
