"""Likeness to ground truth, which exists where a face is dubbed with its own speech.

A number alone says little, so there are two references: the real video through the encoder used for
dubs (the upper bound for anything written to a file), and the mouth of one second earlier pasted in
(a plausible mouth that ignores the sound).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from lipsync.evaluation.identity import Person
from lipsync.evaluation.recogniser import Recogniser
from lipsync.evaluation.videos import APPEARANCE_SIZE, Stretch, full_frame_transform
from lipsync.faces.framing import Framing
from lipsync.media import HeldFrames, VideoWriter
from lipsync.metrics.leakage import MouthTrace, leakage
from lipsync.metrics.picture import PictureQuality
from lipsync.metrics.quality import landmark_distance, silent_frames
from lipsync.windows import FPS

EQUAL = dict.fromkeys(PictureQuality.NAMES, 1.0) | dict.fromkeys(
    ("psnr", "psnr_lower"), PictureQuality.EQUAL
)
"""The scores of frames identical to ground truth."""
_BATCH = 32
_BEFORE = FPS  # one second


def likeness(generated: Stretch, real: Stretch) -> dict[str, float]:
    """PSNR, SSIM and MS-SSIM on the whole face and its lower half, and mouth-corner error.

    Both videos are cropped by the real video's smoothed square, frame by frame. The generator is
    given the very frame that it paints, so these numbers flatter one that copies: compare them with
    those of the dub with another speech.

    Args:
        generated: the dub.
        real: the video that was dubbed.

    Returns:
        Measure -> mean over the frames that both have; empty if there are none.
    """
    numbers = _compare(_crops(generated, real), _crops(real, real))
    if not numbers:
        return {}
    corners = mouth_corners(generated, real)
    return numbers if np.isnan(corners) else numbers | {"mouth_corners": corners}


def earlier_mouth(real: Stretch) -> dict[str, float]:
    """Likeness of the real frames with the lower half of one second earlier pasted in.

    Empty if the stretch is no longer than one second.
    """
    return _compare(
        _with_earlier_mouths(_crops(real, real)), islice(_crops(real, real), _BEFORE, None)
    )


class Source:
    """The mouth and the person of a real video, for comparison with its dubs.

    Args:
        real: the video that was dubbed.
        wave: its own sound, float32 (samples,) at 16 kHz.
        recogniser: a face recogniser, if any.
    """

    def __init__(
        self, real: Stretch, wave: np.ndarray, recogniser: Recogniser | None = None
    ) -> None:
        self._person = None if recogniser is None else Person(real, recogniser)
        self.real = real
        self.mouth = self._mouth(real)
        self.pauses = silent_frames(real.sound(wave), len(self.mouth.mouths))

    def leakage(self, video: Stretch, wave: np.ndarray) -> dict[str, float]:
        """Leakage of the real video's mouth into a video, see :func:`.metrics.leakage.leakage`."""
        mouth = self.mouth if video is self.real else self._mouth(video)
        pauses = silent_frames(self.real.sound(wave), len(mouth.mouths))
        return leakage(mouth, self.mouth, pauses, self.pauses)

    def identity(self, video: Stretch) -> dict[str, float]:
        """See :meth:`Person.distance`; empty without a recogniser."""
        return {} if self._person is None else self._person.distance(video)

    def _mouth(self, video: Stretch) -> MouthTrace:
        found = MouthTrace()
        for face in _crops(video, self.real):
            found.add(face)
        return found


def reencode(real: HeldFrames, output: Path, crf: int = 18) -> Path:
    """Re-encode the real frames at 25 fps with the encoder used for dubs, without sound.

    ``crf`` is the quality, by default that of dubs.

    Raises:
        MediaError: cannot be read or written.
    """
    frames = iter(real)
    first = next(frames)
    height, width = first.shape[:2]
    with VideoWriter(output, FPS, (width, height), crf=crf) as writer:
        writer.write(first)
        for frame in frames:
            writer.write(frame)
    return output


def mouth_corners(generated: Stretch, real: Stretch) -> float:
    """Distance of the mouth corners from ground truth, as a share of the interocular distance.

    NaN if the detector gives no landmarks.
    """
    if generated.landmarks is None or real.landmarks is None:
        return float("nan")
    start = max(generated.start, real.start)
    end = min(generated.start + len(generated.landmarks), real.start + len(real.landmarks))
    if end <= start:
        return float("nan")
    generated_marks, true = (
        s.landmarks[start - s.start : end - s.start] for s in (generated, real)
    )
    eyes = np.linalg.norm(true[:, 0] - true[:, 1], axis=1)
    return landmark_distance(generated_marks[:, 3:], true[:, 3:], eyes)


def _compare(pred: Iterator[np.ndarray], target: Iterable[np.ndarray]) -> dict[str, float]:
    """Means over pairs of crops, up to the shorter stream."""
    metric = PictureQuality()
    pictures = zip(pred, target, strict=False)
    while lot := list(islice(pictures, _BATCH)):
        sides = (
            torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2).float() / 255
            for side in zip(*lot, strict=True)
        )
        metric.update(*sides)
    if not metric.pictures:
        return {}
    return {name: float(metric.compute()[name]) for name in metric.NAMES}


def _crops(video: Stretch, real: Stretch) -> Iterator[np.ndarray]:
    """The video's frames over the real stretch, cropped by the real video's square."""
    for frame in islice(video.footage, real.start, real.end):
        square = full_frame_transform(frame) if real.square is None else real.square
        yield Framing.cut(frame, square, APPEARANCE_SIZE)


def _with_earlier_mouths(faces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Each face after the first second, with the lower half of one second earlier."""
    before: deque[np.ndarray] = deque(maxlen=_BEFORE)
    for face in faces:
        if len(before) == _BEFORE:
            pasted = face.copy()
            pasted[APPEARANCE_SIZE // 2 :] = before[0][APPEARANCE_SIZE // 2 :]
            yield pasted
        before.append(face)
