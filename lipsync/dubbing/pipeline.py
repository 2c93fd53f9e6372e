"""``dub``: check what is given, find the face, render, write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lipsync import __version__
from lipsync.audio import HOP_LENGTH, SAMPLE_RATE, melspectrogram
from lipsync.devices import to_device
from lipsync.dubbing.plan import Plan, plan_faces, spans
from lipsync.dubbing.render import Lips, render
from lipsync.dubbing.source import LENGTHS, Source, open_source, playing_order
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.detect import Detector, get_detector
from lipsync.faces.tracks import STRIDE
from lipsync.media import VideoWriter, read_audio
from lipsync.models import Wav2Lip
from lipsync.models.inference import optimise
from lipsync.windows import MEL_STEP

DEFAULT_MODEL = "wav2lip-grid"
OUTPUT_RATE = 48_000  # samples a second of the sound in the dubbed file
LOOK_AHEAD = 10  # seconds of video decoded beyond the last frame that is shown
NO_FACE = ("pass", "error")
CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv")

Progress = Callable[[str, int, int | None], None]
"""Called with the stage ("faces" or "render"), frames done, and frames in all where known."""


@dataclass(frozen=True)
class DubResult:
    """What a dub came to.

    Attributes:
        output: the file that was written.
        frames, seconds, fps: of the dubbed video; its sound lasts as long.
        faces_found: frames that were dubbed.
        skipped: (start, end) spans of frames of the dubbed video without a face, the end not
            included; they are the source's frames, unchanged.
        source_frames: frames of the face's video that were used.
        length: "whole" where video and sound were as long as each other, "cut" where the video was
            longer, or what was done about a longer sound: "pingpong", "loop", "freeze", "trim".
        model: name of the generator.
    """

    output: Path
    frames: int
    seconds: float
    fps: Fraction
    faces_found: int
    skipped: list[tuple[int, int]]
    source_frames: int
    length: str
    model: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"output": str(self.output), "fps": str(self.fps)}

    def __str__(self) -> str:
        gaps = ", ".join(f"{start}-{end - 1}" for start, end in self.skipped)
        return (
            f"{self.output}: {self.frames} frames, {self.seconds:.2f} s at {float(self.fps):.5g} "
            f"fps; face in {self.faces_found}{f', frames without: {gaps}' if gaps else ''}; "
            f"{self.source_frames} frames of the face's video, length: {self.length}; "
            f"synthetic, by {self.model}"
        )


def dub(
    face: str | Path,
    audio: str | Path,
    output: str | Path,
    *,
    model: str | Path | nn.Module = DEFAULT_MODEL,
    device: str = "cpu",
    batch_size: int = 32,
    detector: str | Detector = "centerface",
    stride: int = STRIDE,
    no_face: str = "pass",
    length: str = "pingpong",
    fps: float = 25,
    crf: int = 18,
    tolerate_damage: bool = False,
    progress: Progress | None = None,
) -> DubResult:
    """Make the face in a video or picture speak a sound.

    The output has the size, the upright orientation and the frame rate of the face's video (a
    variable rate becomes its average) and lasts as long as the sound, to the nearest frame. A
    video that is longer is cut; one that is shorter is continued as ``length`` says.

    Args:
        face: a video, or a still picture.
        audio: a sound, or a video with one.
        output: the video to write (mp4, m4v, mov or mkv), in a folder that exists.
        model: a generator: its name, its path, or the network itself.
        device: where a generator that is named runs, e.g. ``"cuda"``.
        batch_size: frames rendered, and held, at a time.
        detector: name of a face detector, or one.
        stride: a face is looked for on every so many frames, and followed in between.
        no_face: frames without a face "pass" unchanged, or are an "error".
        length: what follows where the sound is longer than the video: "pingpong" (backwards, then
            forwards again), "loop", "freeze" (the last frame), or "trim" (the sound is cut).
        fps: frames a second of a still picture.
        crf: quality of H.264, 0 (lossless) to 51; lower is better.
        tolerate_damage: take a damaged video as far as it can be decoded.
        progress: called with (stage, frames done, frames in all or None).

    Raises:
        MediaError: an input that cannot be read, has no face or no sound, or is too short; an
            output that cannot be written. Nothing is left of the output then.
        CheckpointError: a model that cannot be loaded.
        ConfigError: options that cannot work.

    The container's comment says that the video is synthetic and what made it.
    """
    face, audio, output = Path(face), Path(audio), Path(output)
    _check_options(batch_size, stride, no_face, length, crf)
    _check_output(output, face, audio)
    source = open_source(face, still_fps=fps, tolerate_damage=tolerate_damage)
    sound, mel = _read_sound(audio)
    generator, name = _load_generator(model, device)
    if isinstance(detector, str):
        detector = get_detector(detector)

    wanted = max(1, round(len(sound) / OUTPUT_RATE * source.fps))
    report = progress or (lambda stage, done, total: None)
    plan, longer = _find_face(source, wanted, detector, stride, report)
    _check_faces(face, plan, source.fps, no_face)

    have = len(plan.boxes)
    total = min(wanted, have) if length == "trim" else wanted
    order = playing_order(have, total, length)
    lips = Lips(generator, mel, source.fps)
    frames = zip(order, source.take(order), strict=True)
    with VideoWriter(
        output,
        source.fps,
        source.size,
        audio=_fit(sound, round(total / source.fps * OUTPUT_RATE)),
        sample_rate=OUTPUT_RATE,
        crf=crf,
        metadata={
            "comment": f"Synthetic video: lips generated by lipsync {__version__}, model {name}"
        },
    ) as writer:
        for done, frame in enumerate(render(frames, plan.boxes, lips, batch_size), start=1):
            writer.write(frame)
            report("render", done, total)
    return DubResult(
        output=output,
        frames=total,
        seconds=float(total / source.fps),
        fps=source.fps,
        faces_found=int(plan.found[order].sum()),
        skipped=spans(~plan.found[order]),
        source_frames=have,
        length="cut" if longer else "whole" if wanted == have else length,
        model=name,
    )


def _check_options(batch_size: int, stride: int, no_face: str, length: str, crf: int) -> None:
    if batch_size < 1 or stride < 1:
        raise ConfigError(f"batch_size and stride must be 1 or more, got {batch_size} and {stride}")
    if no_face not in NO_FACE:
        raise ConfigError(f"no_face must be one of {', '.join(NO_FACE)}, got '{no_face}'")
    if length not in LENGTHS:
        raise ConfigError(f"length must be one of {', '.join(LENGTHS)}, got '{length}'")
    if not 0 <= crf <= 51:
        raise ConfigError(f"crf must be 0 to 51, got {crf}")


def _check_output(output: Path, *inputs: Path) -> None:
    """Refuse before any work what could not be written after it."""
    if output.suffix.lower() not in CONTAINERS:
        raise MediaError(
            output, f"'{output.suffix}' is no video's suffix", f"use {', '.join(CONTAINERS)}"
        )
    if output.is_dir():
        raise MediaError(output, "is a folder", "name a file to write")
    if not output.parent.is_dir():
        raise MediaError(output, f"there is no folder {output.parent}", "make it first")
    if not os.access(output.parent, os.W_OK):
        raise MediaError(output, f"folder {output.parent} cannot be written", "check its rights")
    for path in inputs:
        if path.exists() and output.exists() and path.samefile(output):
            raise MediaError(output, "is the input itself", "give the output another name")


def _read_sound(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The sound as it goes into the file, and its mel spectrogram."""
    wave = read_audio(path, SAMPLE_RATE)
    least = (MEL_STEP - 1) * HOP_LENGTH
    if len(wave) < least:
        raise MediaError(
            path,
            f"its sound lasts {len(wave) / SAMPLE_RATE:.2f} s, a mel window needs "
            f"{least / SAMPLE_RATE:.2f} s",
            "use a longer sound",
        )
    return read_audio(path, OUTPUT_RATE), melspectrogram(wave)


def _load_generator(model: str | Path | nn.Module, device: str) -> tuple[nn.Module, str]:
    if isinstance(model, nn.Module):
        return model, type(model).__name__
    from lipsync.checkpoints import load_model

    module = load_model(model)
    if not isinstance(module, Wav2Lip):
        raise ConfigError(
            f"model {model} is a {type(module).__name__}, which does not dub; use a Wav2Lip"
        )
    return optimise(to_device(module, device)), Path(model).stem


def _find_face(
    source: Source, wanted: int, detector: Detector, stride: int, report: Progress
) -> tuple[Plan, bool]:
    """Boxes for up to ``wanted`` frames, and whether the video goes on after them.

    A little more is decoded than is shown, so that a file with damage is refused wherever in a
    short video it sits, while a long one is not read to its end.
    """
    frames = source.frames()

    def seen() -> Iterator[np.ndarray]:
        for done, frame in enumerate(islice(frames, wanted), start=1):
            yield frame
            report("faces", done, wanted)

    plan = plan_faces(seen(), detector, source.fps, stride)
    beyond = sum(1 for _ in islice(frames, round(LOOK_AHEAD * source.fps)))
    return plan, beyond > 0


def _check_faces(face: Path, plan: Plan, fps: Fraction, no_face: str) -> None:
    if not plan.found.any():
        raise MediaError(
            face,
            f"no face found in {len(plan.boxes)} frames",
            "use a video or picture in which a face is seen from the front",
        )
    gaps = spans(~plan.found)
    if gaps and no_face == "error":
        start, end = gaps[0]
        raise MediaError(
            face,
            f"no face in {sum(b - a for a, b in gaps)} of {len(plan.boxes)} frames, first from "
            f"{float(start / fps):.2f} to {float(end / fps):.2f} s",
            "cut these out, or let them pass unchanged (no_face=pass)",
        )


def _fit(wave: np.ndarray, samples: int) -> np.ndarray:
    """Cut the wave or add silence to its end."""
    return np.pad(wave[:samples], (0, max(0, samples - len(wave))))
