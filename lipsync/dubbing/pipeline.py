"""``dub``: read, plan, render and write, concurrently. ``dub_frames``: only the frames."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lipsync import __version__
from lipsync.dubbing.options import Options, sorted_options
from lipsync.dubbing.parts import Parts, face_names, face_sounds
from lipsync.dubbing.pictures import SYNTHETIC, Pictures, check_output
from lipsync.dubbing.plan import Plan, Progress
from lipsync.dubbing.render import DubbedFrame, Renderer
from lipsync.dubbing.result import DubResult, ReferencesUsed, extend_spans
from lipsync.dubbing.speakers import POSITIONS
from lipsync.dubbing.stages import Stages
from lipsync.dubbing.stretch import stretch_track
from lipsync.errors import ConfigError, MediaError
from lipsync.media import check_target
from lipsync.media.files import opened

FRAMES = "frames"
"""Name of the stage in which frames are made, for progress."""
_LARGE = 16 * 2**20  # size of a frame in bytes above which queues are kept short


def dub(
    face: str | Path,
    audio: str | Path | None,
    output: str | Path,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> DubResult:
    """Dub the face in a video or picture with new audio.

    The output has the size and upright orientation of the face's video, its frame rate (or, if that
    varies, its timestamps), and the length of the audio, to the nearest frame. A longer video is
    cut (see ``tail``); a shorter one is continued (see ``length``). With ``start`` or ``until``
    only that range is dubbed, and the output is as long as the video. Memory does not grow with the
    length.

    Args:
        face: a video, or a still picture.
        audio: an audio file, or a video with sound. If ``faces`` have their own audio: the
            soundtrack of the output, or ``None`` for their mix.
        output: the video to write (mp4, m4v, mov, mkv, webm or mxf), in a folder that exists; or
            ``shot/%05d.png``, a PNG sequence and its audio in a new folder.
        progress: called with ("frames", frames done, total frames or None); with ``adapt``, first
            called with the stages of the adaptation, ("adapt: train", steps done, total steps).
        **options: fields of :class:`lipsync.dubbing.options.Options`, such as ``model``, and of
            :class:`lipsync.dubbing.options.Encoding`.

    Raises:
        MediaError: an input that cannot be read, has no face or no sound, or is too short; an
            output that cannot be written. No partial output is left.
        CheckpointError: a model that cannot be loaded.
        ConfigError: invalid options.

    The container's comment says that the video is synthetic, and names the model.
    """
    face, output = Path(face), Path(output)
    dub_options, encoding = sorted_options(options)
    audio = _check_audio(audio, dub_options)
    read = face, audio, dub_options.reference, dub_options.driver, *face_sounds(dub_options.faces)
    check_output(output, encoding, *read)
    outputs = [output.resolve()]
    for path in (dub_options.tracks, dub_options.curves):
        if path is not None:
            check_target(path, *read)
            if Path(path).resolve() in outputs:
                raise MediaError(path, "is another output of this dub", "give it another name")
            outputs.append(Path(path).resolve())

    if encoding.loudness is not None and (dub_options.start, dub_options.until) != (None, None):
        raise ConfigError("a stretch keeps the sound around it; leave out `loudness`")
    plan = Plan(face, audio, dub_options)
    source = plan.source
    total, seconds = plan.playback.expected()
    encoded = encoding.audio_codec, encoding.audio_bitrate
    if plan.stretch is None:
        loud = encoding.loudness, plan.playback.audible_seconds()
        track, sound = plan.sound.track(output, seconds, *encoded, *loud)
    else:
        track, sound = stretch_track(plan.stretch, output, source, plan.sound, *encoded)
    skipped: list[tuple[int, int]] = []
    passed, by_face = 0, dict.fromkeys(face_names(dub_options.faces), 0)
    people: Counter[str] = Counter()
    references = ReferencesUsed(plan.faces.references)
    pictures = Pictures(encoding, output, plan)
    plan.finish(progress)
    began, frame = time.perf_counter(), None
    with (
        Stages() as stages,
        pictures.writer(track, _comment(plan.model)) as writer,
    ):
        for frame in _frames(plan, stages):
            with stages.working("encode"):
                picture = pictures.picture(frame)
                when = (frame.start, frame.seconds) if source.variable else ()
                writer.write(picture, *when)
            if not plan.is_dubbed(frame.start):
                passed += 1
            elif not frame.dubbed:
                extend_spans(skipped, frame.number)
            for name, choice in zip(by_face, frame.references, strict=True):
                if choice is not None:
                    by_face[name] += 1
                    references.add(frame.number, choice)
            people.update(person or "" for person in frame.people)
            if progress is not None:
                progress(FRAMES, frame.number + 1, total)
    assert frame is not None  # empty audio was refused
    frames = frame.number + 1
    return DubResult(
        output=output,
        frames=frames,
        seconds=frame.start + frame.seconds,
        fps=source.fps,
        faces_found=frames - passed - sum(end - start for start, end in skipped),
        by_face=by_face if len(by_face) > 1 else {},
        people=dict(people),
        skipped=skipped,
        source_frames=plan.playback.frames,
        length=_length(plan, frames),
        stretch=(plan.stretch.start, plan.stretch.end) if plan.stretch is not None else None,
        model=plan.model,
        not_adapted=plan.not_adapted,
        references=references,
        sound=sound,
        silent=plan.sound.silent,
        variable=source.variable,
        hdr=source.hdr,
        codec=writer.codec,
        kept=pictures.kept,
        beside=pictures.kept_tracks.kept if pictures.kept_tracks is not None else [],
        left_out=pictures.kept_tracks.left_out if pictures.kept_tracks is not None else [],
        tracks=plan.faces.tracks_file,
        stage_seconds={name: round(taken, 3) for name, taken in stages.seconds.items()},
        wall_seconds=round(time.perf_counter() - began, 3),
    )


def dub_frames(face: str | Path, audio: str | Path | None, **options: Any) -> Iterator[DubbedFrame]:
    """Yield the frames of a dub as they are made, for display, streaming or another encoder.

    Args:
        face: a video, or a still picture.
        audio: as for :func:`dub`.
        **options: those of :class:`lipsync.dubbing.options.Options`.

    Raises:
        MediaError, CheckpointError, ConfigError: as for :func:`dub`.

    Stages run ahead of the consumer by a bounded number of frames; close the iterator to stop them
    early.
    """
    unknown = sorted(options.keys() - Options.__dataclass_fields__.keys())
    if unknown:
        raise ConfigError(f"unknown per-frame options: {', '.join(unknown)}")
    dub_options = Options(**options)
    plan = Plan(Path(face), _check_audio(audio, dub_options), dub_options)
    plan.finish()

    def frames() -> Iterator[DubbedFrame]:
        with Stages() as stages:
            yield from _frames(plan, stages)

    return frames()


def _check_audio(audio: str | Path | None, options: Options) -> Path | None:
    if audio is None and not face_sounds(options.faces):
        raise ConfigError("no sound given; name one, or one per face, such as --face left=a.wav")
    return Path(audio) if audio is not None else None


def _frames(plan: Plan, stages: Stages) -> Iterator[DubbedFrame]:
    """Frames of the dubbed video; each stage runs in its own thread."""
    renderer = Renderer(plan.lips, plan.options, plan.source.size)
    width, height = plan.source.size
    room = 1 if 3 * width * height > _LARGE else 2
    shown = stages.add("decode", lambda _: iter(plan.playback), room=room)
    planned = stages.add("plan", plan.frames, shown, room=renderer.batch)
    generated = stages.add("generate", renderer.generate, planned, room)
    return _check_faces(plan, stages.add("paste", renderer.paste, generated, room))


def _check_faces(plan: Plan, frames: Iterator[DubbedFrame]) -> Iterator[DubbedFrame]:
    """Pass frames on, checking that a face is found, and, if requested, that there are no gaps.

    Raises:
        MediaError: no face, or a gap.
    """
    path, gap = plan.source.path, None
    missing = set() if isinstance(plan.options.faces, Parts) else set(range(len(plan.sounds)))
    names = face_names(plan.options.faces)
    refuse = plan.options.no_face == "error"

    def refuse_gap(end: float) -> None:
        if gap is not None and refuse:
            problem = f"no face from {gap:.2f} to {end:.2f} s"
            raise MediaError(
                path, problem, "cut this part out, or keep it unchanged with `no_face=pass`"
            )

    for frame in frames:
        missing -= {k for k, place in enumerate(frame.transforms) if place is not None}
        if not plan.is_dubbed(frame.start) or frame.dubbed:
            refuse_gap(frame.start)
            gap = None
        elif gap is None:
            gap = frame.start
        yield frame
    if missing:
        where = f"in {plan.playback.frames} frames"
        if plan.stretch is not None:
            where = f"from {plan.stretch.start:.2f} to {plan.stretch.end:.2f} s"
        which = f" '{names[min(missing)]}'" if names != (POSITIONS[0],) else ""
        remedy = "use a video or picture with an upright frontal face, or lower `min_face`"
        if which and (most := plan.faces.most_faces):
            seen, numbers = (
                ("one face is", "0") if most == 1 else (f"{most} faces are", f"0 to {most - 1}")
            )
            remedy = f"at most {seen} shown at once: choose {numbers}, or a position such as left"
        raise MediaError(path, f"no face{which} found {where}", remedy)
    refuse_gap(frame.start + frame.seconds)
    plan.faces.save()


def _comment(model: str) -> str:
    return f"{SYNTHETIC} {__version__}, model {model}"


def generator_name(video: str | Path) -> str | None:
    """Name of the generator in a dubbed video's metadata; None if there is none.

    Raises:
        MediaError: the video cannot be read.
    """
    with opened(video) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
    comment = tags.get("comment", "").partition("\n")[0]
    by, _, model = comment.partition(", model ")
    return model if model and by.startswith(SYNTHETIC) else None


def _length(plan: Plan, frames: int) -> str:
    """The ``length`` of a result."""
    if plan.stretch is not None:
        return "whole"
    if plan.playback.longer:
        return plan.options.tail
    fps = float(plan.source.fps)
    whole = plan.source.still is None and frames == plan.playback.frames
    missing = plan.sound.seconds - frames / fps
    return "whole" if whole and missing < 0.5 / fps else plan.options.length
