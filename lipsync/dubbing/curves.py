"""Curves of a dub: the lips code of every frame, for inspection, editing and reuse."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from lipsync.dubbing.faces import FacePlan
from lipsync.dubbing.options import Options
from lipsync.dubbing.playback import PlaybackFrame
from lipsync.dubbing.sound import Sound
from lipsync.dubbing.source import open_source
from lipsync.dubbing.speech import Speech
from lipsync.errors import ConfigError, MediaError
from lipsync.generators.lips import Lips
from lipsync.media import whole_file
from lipsync.tables import read_rows

_BATCH_SIZE = 64  # batch size, in audio windows or faces
_SHORT = 0.2  # seconds by which curves may end before the audio
OPTIONS = ("curves", "driver", "amplitude", "smoothing")
"""Options that need a model with a lips code."""


class Curves(NamedTuple):
    """A lips code over time.

    Attributes:
        seconds: (n,) ascending.
        values: float32 (n, numbers).
    """

    seconds: np.ndarray
    values: np.ndarray

    def at(self, seconds: float) -> np.ndarray:
        """Code at a time, float32 (numbers,): linear between rows, constant beyond the ends."""
        rows = (np.interp(seconds, self.seconds, column) for column in self.values.T)
        return np.fromiter(rows, np.float32, self.values.shape[1])

    def styled(self, rest: np.ndarray, amplitude: float = 1.0, smoothing: float = 0.0) -> Curves:
        """Scale and smooth the curves.

        Args:
            rest: (numbers,), the code for silence.
            amplitude: factor on the deviation from rest.
            smoothing: standard deviation of a Gaussian over time, in seconds; 0 for none.
        """
        values = rest + amplitude * (self.values - rest)
        if smoothing and len(values) > 1:
            step = float(np.diff(self.seconds).mean())
            values = gaussian_filter1d(values, smoothing / step, axis=0, mode="nearest")
        return Curves(self.seconds, values.astype(np.float32))


def needs_curves(options: Options, lips: Lips) -> bool:
    """Whether the options require curves.

    Raises:
        ConfigError: they do, but the generator has no lips code.
    """
    default = Options()
    requested = [name for name in OPTIONS if getattr(options, name) != getattr(default, name)]
    if requested and lips.numbers is None:
        raise ConfigError(f"`{requested[0]}` needs a model with a lips code, such as lipscode-open")
    return bool(requested)


def plan_curves(lips: Lips, options: Options, sound: Sound, fps: float) -> Curves:
    """Curves that a dub follows; written to ``options.curves`` if that file does not exist.

    Args:
        lips: a generator with a lips code.
        options: options of the dub.
        sound: the new audio; read once more in full.
        fps: rows per second of curves from audio.

    Raises:
        MediaError: a file of curves that does not fit, or a driver that cannot be read.
    """
    path = Path(options.curves) if options.curves is not None else None
    if path is not None and path.exists():
        if options.driver is not None:
            raise MediaError(path, "already exists", "leave out `driver`, or name another file")
        curves = read_curves(path, lips.numbers, sound.seconds)
    else:
        from_driver = options.driver is not None
        curves = (
            curves_from_video(lips, options, sound.seconds)
            if from_driver
            else curves_from_audio(lips, sound, options, fps)
        )
        if path is not None:
            write_curves(path, curves)
    silence = np.full((1, lips.feature.bands, lips.feature.window), lips.feature.silence)
    rest = lips.codes_of_sound(silence.astype(np.float32))[0]
    return curves.styled(rest, options.amplitude, options.smoothing)


def curves_from_audio(lips: Lips, sound: Sound, options: Options, fps: float) -> Curves:
    """Curves predicted from audio, one row per frame."""
    speech = Speech(lips.feature, sound.input_blocks(options.gate))
    times = np.arange(max(1, int(np.ceil(sound.seconds * fps)))) / fps
    codes = [
        lips.codes_of_sound(np.stack([speech.window(seconds, fps) for seconds in part]))
        for part in _batches(times)
    ]
    return Curves(times, np.concatenate(codes))


def curves_from_video(lips: Lips, options: Options, seconds: float) -> Curves:
    """Curves of the mouth in the driver's video, one row per frame with a face.

    Raises:
        MediaError: the video cannot be read, has no face, or ends before the audio, which lasts
            ``seconds``.
    """
    assert options.driver is not None
    source = open_source(Path(options.driver), tolerate_damage=options.tolerate_damage)
    own = replace(options, reference_frames="itself", tracks=None, faces="largest", reference=None)
    frames = (PlaybackFrame(i, at, 0.0, frame) for i, (at, frame) in enumerate(source.frames()))
    found, end = [], 0.0
    for frame, (face,) in FacePlan(source, lips, own).find(frames):
        end = frame.start
        if face is not None:
            found.append((frame.start, face.crop))
    if end < seconds - _SHORT:
        problem = f"ends at {end:.2f} s, but the sound ends at {seconds:.2f} s"
        raise MediaError(source.path, problem, "use a driver video as long as the sound")
    if not found:
        raise MediaError(
            source.path, "no face found", "use a driver video in which a face is visible"
        )
    times, crops = np.array([at for at, _ in found]), [crop for _, crop in found]
    codes = [lips.codes_of_faces(np.stack(part)) for part in _batches(crops)]
    return Curves(times, np.concatenate(codes))


def write_curves(path: Path, curves: Curves) -> None:
    """Write curves as CSV: seconds, then the numbers of the code."""
    with whole_file(path) as unfinished, unfinished.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seconds", *(f"c{i + 1}" for i in range(curves.values.shape[1]))])
        for seconds, code in zip(curves.seconds, curves.values, strict=True):
            rows.writerow([f"{seconds:.4f}", *(f"{value:.4f}" for value in code)])


def read_curves(path: Path, numbers: int | None = None, seconds: float = 0.0) -> Curves:
    """Read curves from CSV.

    Args:
        path: a file in the format of :func:`write_curves`.
        numbers: size of the model's code; None for any.
        seconds: length of the audio.

    Raises:
        MediaError: the file cannot be read, has another code size, or ends before the audio.
    """
    head, *rows = read_rows(path) or [(1, [])]
    there = len(head[1]) - 1
    if there < 1 or not rows:
        raise MediaError(path, "holds no curves", "write some with lipsync dub --curves FILE")
    if numbers not in (None, there):
        problem = f"has {there} numbers per row, but the model's code has {numbers}"
        raise MediaError(path, problem, "use curves written with this model")
    before, values = -np.inf, []
    for line, row in rows:
        try:
            values.append([float(cell) for cell in row])
        except ValueError:
            values.append([])
        if len(values[-1]) != there + 1 or not np.isfinite(values[-1]).all():
            raise MediaError(path, f"line {line}: is not {there + 1} numbers", "correct the line")
        if values[-1][0] <= before:
            raise MediaError(path, f"line {line}: its time is not later", "correct the line")
        before = values[-1][0]
    table = np.array(values)
    if table[-1, 0] < seconds - _SHORT:
        problem = f"ends at {table[-1, 0]:.2f} s, but the sound ends at {seconds:.2f} s"
        raise MediaError(path, problem, "use curves written for this sound")
    return Curves(table[:, 0], table[:, 1:].astype(np.float32))


def _batches(items: Sequence | np.ndarray) -> Iterator:
    return (items[i : i + _BATCH_SIZE] for i in range(0, len(items), _BATCH_SIZE))
