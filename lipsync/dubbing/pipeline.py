"""``dub``: check what is given, run the stages, write. ``dub_frames``: the frames alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from lipsync import __version__
from lipsync.dubbing.enhance import Enhancer
from lipsync.dubbing.job import DubbedFrame, Job, Progress
from lipsync.dubbing.marks import side_by_side, side_by_side_size
from lipsync.dubbing.options import Options
from lipsync.dubbing.output import Encoding
from lipsync.dubbing.result import DubResult, ReferencesUsed, extend
from lipsync.dubbing.stages import Stages
from lipsync.errors import ConfigError
from lipsync.faces.detect import Detector
from lipsync.media import CONTAINERS, VideoWriter, check_target


def dub(
    face: str | Path,
    audio: str | Path,
    output: str | Path,
    *,
    model: str | Path | nn.Module = Options.model,
    device: str = Options.device,
    batch_size: int | None = Options.batch_size,
    detector: str | Detector = Options.detector,
    stride: int | None = Options.stride,
    speaker: str | int = Options.speaker,
    reference: str | Path | None = Options.reference,
    reference_frames: str | int | list[int] | None = Options.reference_frames,
    min_face: int = Options.min_face,
    no_face: str = Options.no_face,
    tracks: str | Path | None = Options.tracks,
    length: str = Options.length,
    tail: str = Options.tail,
    fps: float | None = Options.fps,
    gate: bool = Options.gate,
    match: bool = Options.match,
    enhance: str | Enhancer = Options.enhance,
    watermark: str | None = Options.watermark,
    tolerate_damage: bool = Options.tolerate_damage,
    codec: str = Encoding.codec,
    crf: int = Encoding.crf,
    preset: str = Encoding.preset,
    audio_codec: str = Encoding.audio_codec,
    audio_bitrate: int | None = Encoding.audio_bitrate,
    preview: bool = False,
    progress: Progress | None = None,
) -> DubResult:
    """Make the face in a video or picture speak a sound.

    The output has the size, the upright orientation and the frames of the face's video, at its
    rate, or at their own times where the rate varies, and lasts as long as the sound, to the
    nearest frame. A video that is longer is cut (``tail``); one that is shorter is continued as
    ``length`` says. Memory does not grow with the length.

    Args:
        face: a video, or a still picture.
        audio: a sound, or a video with one.
        output: the video to write (mp4, m4v, mov or mkv), in a folder that exists.
        model: a generator: its name, its path, or the network itself.
        device: where a generator that is named runs, e.g. ``"cuda"``.
        batch_size: frames rendered at a time; by default what the memory allows.
        detector: name of a face detector, or one.
        stride: a face is looked for on every so many frames, and followed in between; by default
            five times a second.
        speaker: whose lips move, where a picture has several faces: the "largest" (less, the
            further from the middle), "left", "right", "top", "bottom", "centre", a number (from
            left to right, beginning with 0), or "sync", whose lips fit the sound of the face's
            video, or a ``reference``. Chosen when a shot begins, and followed to its end.
        reference: a sound on the clock of the face's video, for ``speaker="sync"``.
        reference_frames: which frames of the face's video the generator is shown beside the one
            that it paints: "auto", frames of the shot in which the mouth rests and the head is
            held alike; "itself", the very frame, whose mouth a generator may copy; or frame numbers
            (from 0, counted at ``fps`` where that is given), of which the best is used. By default
            "itself" for the published networks of Wav2Lip and LipGAN, else "auto".
        min_face: height of a face, forehead to chin, in pixels, below which it is left alone;
            faces from the side are, too, and those that lean by more than 35 degrees where the
            model's framing is "box".
        no_face: frames without a face "pass" unchanged, "hold" the last dubbed frame, or are an
            "error".
        tracks: a JSON file of face boxes: used where it exists, else written.
        length: what follows where the sound is longer than the video: "pingpong" (backwards, then
            forwards again), "loop", "freeze" (the last frame), or "trim" (the sound is cut).
        tail: what becomes of the video behind the sound's end: "cut", or "keep" (in silence).
        fps: frames a second; by default those of the video, and 25 for a still picture.
        gate: let the mouth rest where nobody speaks, see :class:`lipsync.dubbing.gate.VoiceGate`.
        match: bring generated faces to the colours around them.
        enhance: "none", "sharpen", or a function, see :mod:`lipsync.dubbing.enhance`.
        watermark: a text to show in the picture.
        tolerate_damage: take a damaged video or sound as far as it can be decoded.
        codec: "h264" or "hevc".
        crf: quality, 0 (lossless) to 51; lower is better.
        preset: of the encoder, from "ultrafast" to "slower" (and smaller).
        audio_codec: "auto" copies the sound without loss where the container takes it and the
            whole of it is used, and else encodes AAC; or "copy", "aac", "mp3", "opus", "flac".
        audio_bitrate: bits a second of encoded sound.
        preview: write the source and the dub side by side.
        progress: called with ("frames", frames done, frames in all or None).

    Raises:
        MediaError: an input that cannot be read, has no face or no sound, or is too short; an
            output that cannot be written. Nothing is left of the output then.
        CheckpointError: a model that cannot be loaded.
        ConfigError: options that cannot work.

    The container's comment says that the video is synthetic and what made it.
    """
    face, audio, output = Path(face), Path(audio), Path(output)
    given = locals()
    options = Options(**{name: given[name] for name in Options.__dataclass_fields__})
    options.check()
    Encoding(codec, crf, preset, audio_codec, audio_bitrate)
    check_target(output, face, audio, options.reference, suffixes=CONTAINERS)
    if options.tracks is not None:
        check_target(options.tracks)

    job = Job(face, audio, options)
    total, seconds = job.playback.expected()
    track, sound = job.sound.track(output, seconds, audio_codec, audio_bitrate)
    size = side_by_side_size(job.source.size) if preview else job.source.size
    skipped: list[tuple[int, int]] = []
    references = ReferencesUsed(job.references)
    began, frame = time.perf_counter(), None
    with (
        Stages() as stages,
        VideoWriter(
            output,
            job.fps,
            size,
            audio=track,
            crf=crf,
            codec=codec,
            preset=preset,
            variable=job.source.variable,
            metadata={"comment": _comment(job.model)},
        ) as writer,
    ):
        for frame in job.frames(stages):
            with stages.working("encode"):
                picture = side_by_side(frame.original, frame.picture) if preview else frame.picture
                when = (frame.start, frame.seconds) if job.source.variable else ()
                writer.write(picture, *when)
            if frame.transform is None:
                extend(skipped, frame.number)
            else:
                references.add(frame.number, frame.references)
            if progress is not None:
                progress("frames", frame.number + 1, total)
    frames = frame.number + 1
    return DubResult(
        output=output,
        frames=frames,
        seconds=frame.start + frame.seconds,
        fps=job.fps,
        faces_found=job.found,
        skipped=skipped,
        source_frames=job.playback.frames,
        length=_length(job, frames),
        model=job.model,
        references=references,
        sound=sound,
        silent=job.sound.silent,
        variable=job.source.variable,
        tracks=job.save_tracks_to,
        stage_seconds=dict(stages.seconds),
        wall_seconds=time.perf_counter() - began,
    )


def dub_frames(face: str | Path, audio: str | Path, **options: Any) -> Iterator[DubbedFrame]:
    """The frames of a dub one by one, as they are made: for a window, a stream, another encoder.

    Args:
        face: a video, or a still picture.
        audio: a sound, or a video with one.
        **options: those of :func:`dub` that make the frames, see
            :class:`lipsync.dubbing.options.Options`.

    Raises:
        MediaError, CheckpointError, ConfigError: as :func:`dub`.

    Stages work ahead of what is taken, by a bounded number of frames; close the iterator to end
    them early.
    """
    unknown = sorted(options.keys() - Options.__dataclass_fields__.keys())
    if unknown:
        raise ConfigError(f"no option of frames is named {', '.join(unknown)}")
    job = Job(Path(face), Path(audio), Options(**options))

    def frames() -> Iterator[DubbedFrame]:
        with Stages() as stages:
            yield from job.frames(stages)

    return frames()


def _comment(model: str) -> str:
    return f"Synthetic video: lips generated by lipsync {__version__}, model {model}"


def _length(job: Job, frames: int) -> str:
    """The ``length`` of a result."""
    if job.playback.longer:
        return job.options.tail
    whole = job.source.still is None and frames == job.playback.frames
    missing = job.sound.seconds - frames / float(job.fps)
    return "whole" if whole and missing < 0.5 / float(job.fps) else job.options.length
