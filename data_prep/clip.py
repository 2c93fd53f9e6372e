"""One video to one prepared clip, or to the reason why not."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from data_prep.engine import Stop
from data_prep.manifest import KEPT, REJECTED, Row
from data_prep.scan import Source
from lipsync.audio import HOP_LENGTH, SAMPLE_RATE
from lipsync.data.store import write_clip
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.crops import crop, steady_box
from lipsync.faces.detect import DETECTORS, Detector
from lipsync.faces.tracks import BoxTrack, detect_track
from lipsync.media import MediaInfo, probe, read_audio, read_frames, resample_frames
from lipsync.windows import FPS, MEL_STEP, T

_VERSION = 1  # of what a clip holds; raise it when the same options give other bytes
_NO_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
_HELD = 256 * 2**20  # bytes of decoded frames; a longer video is decoded again for its crops


@dataclass(frozen=True)
class Options:
    """What shapes a prepared clip.

    Attributes:
        image_size: side of the square crops, pixels.
        detector: ``centerface`` or ``face_alignment``.
        stride: frames from one detection to the next.
        min_score: faces that the detector is less sure of do not count.
        min_share: least part of the frames that must show the face.
    """

    image_size: int = 96
    detector: str = "centerface"
    stride: int = 5
    min_score: float = 0.5
    min_share: float = 0.97

    def __post_init__(self) -> None:
        if self.detector not in DETECTORS:
            raise ConfigError(f"detector={self.detector}: there are {', '.join(DETECTORS)}")
        if self.image_size < 16 or self.image_size % 2 or self.stride < 1:
            raise ConfigError(
                f"image_size must be even and 16 or more, stride 1 or more; "
                f"got {self.image_size}, {self.stride}"
            )
        if not (0 < self.min_score < 1 and 0 < self.min_share <= 1):
            raise ConfigError(
                f"min_score must be in (0, 1) and min_share in (0, 1]; "
                f"got {self.min_score}, {self.min_share}"
            )

    def __str__(self) -> str:
        return f"v{_VERSION} " + " ".join(f"{k}={v}" for k, v in asdict(self).items())


class Rejected(Exception):
    """A clip is left out. ``reason`` is a key of ``REASONS``, ``numbers`` go into its row."""

    def __init__(self, reason: str, detail: str, **numbers: float) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.numbers = reason, detail, numbers


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; '' if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def prepare_clip(source: Source, output: Path, options: Options, detector: Detector) -> Row:
    """Decode, track, crop and write one clip; what is wrong with the file becomes its row."""
    about = {
        "key": source.key, "source": source.name,
        "hash": file_hash(source.path), "options": str(options),
    }  # fmt: skip
    try:
        numbers = _prepare(source, output, options, detector, about["hash"])
    except Rejected as why:
        return Row(**about, status=REJECTED, reason=why.reason, detail=why.detail, **why.numbers)
    return Row(**about, status=KEPT, **numbers)


def _prepare(
    source: Source, output: Path, options: Options, detector: Detector, digest: str
) -> dict[str, float]:
    if not source.key:
        raise Rejected("bad_name", "the name would leave the output folder or clash with its lists")
    info = _probe(source.path)

    held = _Held()
    frames = _Frames(source.path)
    track = _track(held.keep(frames), options, detector)
    if turns := track.quarter_turns():
        # The face lies on its side or upside down, whatever the file says of its rotation.
        frames = _Frames(source.path, turns)
        held.frames = [_turned(frame, turns) for frame in held.frames]
        track = _track(held.frames or frames, options, detector)
    wave = _sound(source.path, len(track.boxes))
    numbers = _check(track, wave, options)

    box = steady_box(track.boxes)
    faces = np.empty((len(track.boxes), options.image_size, options.image_size, 3), np.uint8)
    for i, frame in enumerate(held.frames or frames):
        faces[i] = crop(frame, box, options.image_size)
    _write(
        output, source.key, faces, wave,
        {
            "source": source.name,
            "hash": digest,
            "fps": FPS,
            "source_fps": str(info.fps),
            "source_size": [info.width, info.height],
            "quarter_turns": turns,
            "options": str(options),
            "box": [round(float(v), 2) for v in box],
            "boxes": [_rounded(b) for b in track.boxes],
            "score": round(float(np.nanmean(track.scores)), 4),
            "face_share": numbers["face_share"],
            "faces": track.faces,
            "offset": None,  # frames, sound late is positive; not measured yet
            "confidence": None,
        },
    )  # fmt: skip
    return numbers


def _probe(path: Path) -> MediaInfo:
    try:
        if path.stat().st_size == 0:
            raise Rejected("empty", "0 bytes")
        info = probe(path)
    except MediaError as error:
        raise Rejected("unreadable", error.problem) from None
    except OSError as error:
        raise Rejected("unreadable", error.strerror or str(error)) from None
    if not info.has_video:
        raise Rejected("no_video", f"{info.audio_seconds:.2f} s of sound only")
    if not info.has_audio:
        raise Rejected("no_sound", f"{info.video_seconds:.2f} s of video without sound")
    return info


class _Frames:
    """A video's frames at 25 fps, decoded anew each time it is gone through."""

    def __init__(self, path: Path, turns: int = 0) -> None:
        self._path, self._turns = path, turns

    def __iter__(self) -> Iterator[np.ndarray]:
        frames = resample_frames(read_frames(self._path), FPS)
        return (_turned(frame, self._turns) for frame in frames)


def _turned(frame: np.ndarray, turns: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(frame, turns))


class _Held:
    """Frames kept from the first decoding for the crops; none where they would fill the memory."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []

    def keep(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        self.frames, size = [], 0
        for frame in frames:
            size += frame.nbytes
            if size <= _HELD:
                self.frames.append(frame)
            else:
                self.frames.clear()
            yield frame


def _track(frames: Iterable[np.ndarray], options: Options, detector: Detector) -> BoxTrack:
    try:
        return detect_track(frames, detector, options.stride)
    except MediaError as error:
        raise Rejected("damaged", error.problem) from None


def _sound(path: Path, frames: int) -> np.ndarray:
    """The sound from the first frame to the end of the last; shorter where it ends before."""
    try:
        wave = read_audio(path, SAMPLE_RATE)[: frames * SAMPLE_RATE // FPS]
    except MediaError as error:
        raise Rejected("damaged", error.problem) from None
    if not len(wave):
        raise Rejected("no_sound", "the sound ends before the video begins", frames=frames)
    return wave


def _check(track: BoxTrack, wave: np.ndarray, options: Options) -> dict[str, float]:
    """The numbers of a clip that passes."""
    frames, columns = len(track.boxes), 1 + len(wave) // HOP_LENGTH
    numbers = {
        "frames": frames,
        "seconds": round(len(wave) / SAMPLE_RATE, 3),
        "face_share": round(track.share, 4),
    }
    if frames < T or columns < MEL_STEP:
        detail = f"{frames} frames and {columns} mel columns, a window needs {T} and {MEL_STEP}"
        raise Rejected("too_short", detail, **numbers)
    if not track.found.any():
        raise Rejected(
            "no_face", f"looked at every {options.stride}th of {frames} frames", **numbers
        )
    numbers["face_size"] = round(float(np.nanmedian(track.boxes[:, 3] - track.boxes[:, 1])), 1)
    if track.share < options.min_share:
        found = int(track.found.sum())
        detail = (
            f"in {found} of {frames} frames ({track.share:.0%}), least is {options.min_share:.0%}"
        )
        raise Rejected("face_lost", detail, **numbers)
    return numbers


def _write(
    output: Path, key: str, faces: np.ndarray, wave: np.ndarray, info: dict[str, object]
) -> None:
    try:
        write_clip(output, key, faces=faces, wave=wave, info=info)
    except (OSError, MediaError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if getattr(cause, "errno", None) in _NO_OUTPUT:
            raise Stop(
                f"output={output}: cannot be written ({cause.strerror}); "
                "what is prepared stays, run the same command again"
            ) from error
        raise


def _rounded(box: np.ndarray) -> list[float] | None:
    return [round(float(v), 1) for v in box] if np.isfinite(box).all() else None
