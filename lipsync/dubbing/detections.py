"""Face detections: by a detector with a stride, or read from a file."""

from __future__ import annotations

import json
from fractions import Fraction
from math import isclose
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lipsync.errors import ConfigError, MediaError
from lipsync.faces.detect import Detection, Detector
from lipsync.media import whole_file
from lipsync.media.files import naming_target

VERSION = 1
_PER_SECOND = 5  # default detections per second


def default_stride(fps: float) -> int:
    """Default stride in frames: five detections per second."""
    return max(1, round(fps / _PER_SECOND))


class Detections:
    """Face detections in every ``stride``-th frame, and the cuts between shots.

    Args:
        detector: face detector; not used if there are ``saved`` detections.
        stride: frames between detections.
        saved: result of :func:`read_tracks`.
        record: keep all detections, for :meth:`save`.
    """

    def __init__(
        self,
        detector: Detector | None,
        stride: int,
        *,
        saved: dict[str, Any] | None = None,
        record: bool = False,
    ) -> None:
        self._detector, self.stride = detector, stride
        self._saved: dict[int, list[Detection]] | None = None
        self._file = saved.get("path") if saved is not None else None
        self.cuts: set[int] | None = None
        """First frames of shots, if known beforehand."""
        self._found: dict[int, list[Detection]] | None = {} if record else None
        self._new_cuts: list[int] = []
        self.detected = 0
        """Number of frames in which the detector was run."""
        self._frames = 0  # number of frames covered so far; 0 if unknown
        if saved is not None:
            self._frames = saved.get("frames", 0)
            self.stride = saved["stride"]
            self.cuts = set(saved["cuts"])
            self._saved = dict(saved["looks"])
            if record:  # to write the given detections again
                self._found, self._new_cuts = dict(self._saved), list(saved["cuts"])

    def at(self, number: int, frame: np.ndarray) -> list[Detection] | None:
        """Faces in a frame, best first; ``None`` for frames that the stride skips.

        Raises:
            MediaError: the saved detections end before this frame.
        """
        if self._saved is not None:
            if self._file is not None and 0 < self._frames <= number:
                raise MediaError(
                    self._file,
                    f"its tracks end at frame {self._frames - 1}, before the dub does",
                    "delete it to have it written for the whole video",
                )
            return self._saved.get(number)
        self._frames = number + 1
        if number % self.stride:
            return None
        self.detected += 1
        assert self._detector is not None  # required without saved detections
        faces = self._detector.detect(frame)
        if self._found is not None:
            self._found[number] = faces
        return faces

    def refuse_without_landmarks(self, number: int, framing: str) -> NoReturn:
        """Raise for a face without the landmarks that a framing needs."""
        needed = f"the model's framing {framing} needs landmarks (eyes, nose, mouth)"
        if self._saved is not None and self._file is not None:
            raise MediaError(
                self._file,
                f"its face in frame {number} has no landmarks; {needed}",
                "delete it to have it written with landmarks",
            )
        name = self._detector.name if self._detector is not None else "given"
        raise ConfigError(f"{needed}, but detector {name} finds none; use detector=centerface")

    def note_cut(self, number: int) -> None:
        """Record that a shot starts at this frame."""
        if self._found is not None and self._saved is None:
            self._new_cuts.append(number)

    def as_dict(self) -> dict[str, Any]:
        """Detections so far, in the form returned by :func:`read_tracks`."""
        return {
            "stride": self.stride,
            "cuts": list(self._new_cuts),
            "looks": sorted((self._found or {}).items()),
            "frames": self._frames,
        }

    def save(
        self, path: Path, video: Path, size: tuple[int, int], fps: Fraction | None = None
    ) -> None:
        """Write the detections as JSON, atomically.

        Args:
            path: the file.
            video: the video.
            size: width and height of its frames.
            fps: frame rate to which the video was resampled; ``None`` if it was not.

        Raises:
            MediaError: the file cannot be written.
        """
        found = self.as_dict()
        rows = [[number, [_as_list(face) for face in faces]] for number, faces in found["looks"]]
        text = json.dumps(
            {
                "version": VERSION,
                "video": video.name,
                "size": list(size),
                "fps": None if fps is None else float(fps),
                "frames": found["frames"],
                "stride": found["stride"],
                "cuts": found["cuts"],
                "looks": rows,
            }
        )
        with whole_file(path) as temporary, naming_target(path):
            temporary.write_text(text.replace("]]], [", "]]],\n[") + "\n")


def read_tracks(
    path: str | Path, size: tuple[int, int], fps: Fraction | None = None
) -> dict[str, Any]:
    """Read detections that were saved, or written by hand.

    The file is JSON: ``size`` [width, height]; ``stride``, the usual step between frames with
    detections; ``cuts``, first frames of shots (optional); and ``looks``, a list of [frame, faces].
    A face is [x0, y0, x1, y1] in pixels from forehead to chin, optionally followed by a score and
    ten numbers: x and y of the eyes, the nose tip and the mouth corners (the left one in the image
    of an upright face first), which aligned framings need. ``frames`` (number of frames covered)
    and ``fps`` (null if not resampled) are checked if given.

    Args:
        path: the file.
        size: width and height of the video.
        fps: frame rate to which the video is resampled; ``None`` if it is not.

    Raises:
        MediaError: not such a file, or one for a video of another size or rate.
    """
    try:
        data = json.loads(Path(path).read_text())
        given = tuple(int(side) for side in data.get("size", size))
        looks = [
            (int(number), [_as_face(face) for face in faces]) for number, faces in data["looks"]
        ]
        steps = np.diff([number for number, _ in looks])
        stride = int(data.get("stride") or (np.median(steps) if len(steps) else 1))
        cuts = [int(number) for number in data.get("cuts", [])]
        frames = int(data.get("frames") or 0)
        rate = float(data["fps"] or 0) if "fps" in data else float(fps or 0)  # 0: its own frames
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})", "check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MediaError(
            path, "is not a face-track file", "name a new file with --tracks to have one written"
        ) from None
    if given != tuple(size):
        raise MediaError(
            path,
            f"its tracks are of a video of {given[0]}x{given[1]}, but this one is "
            f"{size[0]}x{size[1]}",
            "name another file to have it written",
        )
    if not isclose(rate, float(fps or 0), rel_tol=1e-4):
        raise MediaError(
            path,
            f"its tracks are of {_at_rate(rate)}, but this dub has {_at_rate(float(fps or 0))}",
            "name another file to have it written",
        )
    if stride < 1 or any(step < 1 for step in steps):
        raise MediaError(path, "its frames are not in ascending order", "sort its lines by frame")
    return {"path": path, "stride": stride, "cuts": cuts, "looks": looks, "frames": frames}


def _at_rate(fps: float) -> str:
    return f"{fps:.6g} frames a second" if fps else "the video's own frames"


def _as_list(face: Detection) -> list[float]:
    marks = face.landmarks.ravel()
    known = [*marks.tolist()] if np.isfinite(marks).all() else []
    return [round(float(v), 2) for v in (*face.box.tolist(), face.score, *known)]


def _as_face(values: list[float]) -> Detection:
    numbers = np.array(values, np.float32)
    if len(numbers) not in (4, 5, 15) or not np.isfinite(numbers).all():
        raise ValueError("a face has 4, 5 or 15 numbers")
    if (numbers[2:4] <= numbers[:2]).any():
        raise ValueError("a box has no area")
    marks = numbers[5:].reshape(5, 2) if len(numbers) == 15 else np.full((5, 2), np.nan, np.float32)
    return Detection(numbers[:4], float(numbers[4]) if len(numbers) > 4 else 1.0, marks)
