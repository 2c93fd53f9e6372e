"""Local files: opened with errors that name the file, and written atomically."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av

from lipsync.errors import MediaError
from lipsync.media.pictures import as_video, is_decodable_by_ffmpeg
from lipsync.media.streams import USUAL, Streams

_SUFFIXES = "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split(" "))
"""Suffixes by which videos are found in folders."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # ffmpeg's native decoders drop alpha
_FOLLOWING = {"concat", "dash", "hls", "imf", "rtsp", "sdp", "webm_dash_manifest"}
_DEMUXERS = ",".join(sorted(av.formats_available - _FOLLOWING))
"""Only self-contained formats, which do not refer to other files or URLs."""


@contextmanager
def opened(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a local file, whatever its name; every error names it."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(32)
        if path.stat().st_size == 0:
            raise MediaError(path, "the file is empty (0 bytes)", "copy or download it again")
    except FileNotFoundError:
        raise MediaError(path, "no such file", "check the path") from None
    except IsADirectoryError:
        raise MediaError(path, "is a folder", "name a file") from None
    except OSError as error:
        raise MediaError(
            path, f"cannot be read ({error.strerror})", "check its permissions"
        ) from None
    try:
        # "file:" keeps ffmpeg from taking a name for a protocol such as "concat:" or "http:"
        file = f"file:{path}" if is_decodable_by_ffmpeg(head) else as_video(path)
        container = av.open(file, options={"format_whitelist": _DEMUXERS})
    except (av.error.FFmpegError, ValueError):
        raise MediaError(
            path,
            "not a video or sound that can be decoded, or its index is missing",
            "check that it plays, or export it again as mp4",
        ) from None
    try:
        with container:
            yield container
    except av.error.FFmpegError as error:
        reason = f"cannot be read further ({error.strerror or error})"
        raise MediaError(path, reason, "export it again as mp4") from error


def stream_seconds(
    stream: av.stream.Stream | None, container: av.container.InputContainer
) -> float:
    """Duration of a stream from its own header, else from the container's; 0.0 if unknown."""
    if stream is None:
        return 0.0
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def demuxed(
    container: av.container.InputContainer, *streams: av.stream.Stream
) -> Iterator[av.Packet]:
    """The packets of ``streams``; a stream that appears midway, which PyAV rejects, is damage."""
    try:
        yield from container.demux(*streams)
    except IndexError:
        raise av.error.InvalidDataError(0, "a stream starts mid-way") from None


def decoded(
    path: Path,
    container: av.container.InputContainer,
    stream: av.stream.Stream,
    *,
    tolerant: bool,
    threads: int = 1,
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """Decode one stream; damage raises an error with its time, or is concealed by the decoder."""
    context = stream.codec_context
    if context is None:
        raise MediaError(path, f"no decoder for its {stream.type}", "convert it to H.264 and AAC")
    if stream.metadata.get("alpha_mode") == "1" and context.name in _WITH_ALPHA:
        context = av.CodecContext.create(_WITH_ALPHA[context.name], "r")
    if stream.type == "video":
        context.thread_type, context.thread_count = "AUTO", threads
        if not tolerant:
            # Frame threads randomly lose some corruption flags unless errors abort decoding.
            context.options = {"err_detect": "explode"}
    time = 0.0
    packets = demuxed(container, stream)
    while True:
        try:
            packet = next(packets)
            if packet.pts is not None:
                time = float(packet.pts * packet.time_base)
                if not packet.size:  # only side data; decoding it would end the stream
                    continue
            damaged = packet.is_corrupt
            frames = context.decode(packet)
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            damaged, frames = True, []
        damaged = damaged or any(getattr(frame, "is_corrupt", False) for frame in frames)
        if damaged and not tolerant:
            raise MediaError(
                path,
                f"its {stream.type} is damaged at about {time:.2f} s",
                "repair it, or allow damage to be concealed",
            )
        yield from frames


def first_frame(path: Path, streams: Streams = USUAL) -> tuple[float, av.VideoFrame] | None:
    """Time in seconds and first frame of a file's video; ``None`` without video."""
    with opened(path) as container:
        stream = streams.video_of(path, container)
        if stream is not None:
            for frame in decoded(path, container, stream, tolerant=True):
                return frame.time or 0.0, frame
    return None


def check_target(
    path: str | Path, *inputs: str | Path | None, suffixes: Sequence[str] = ()
) -> None:
    """Check in advance that an output file can be written.

    Args:
        path: the output.
        inputs: files that must not be overwritten; ``None`` is skipped.
        suffixes: allowed suffixes; by default any.

    Raises:
        MediaError: another suffix, a folder, no such parent folder, no permission, or one of
            the inputs.
    """
    path = Path(path)
    if path.is_dir():
        raise MediaError(path, "is a folder", "name a file in it")
    if suffixes and path.suffix.lower() not in suffixes:
        problem = f"'{path.suffix}' is not a video suffix" if path.suffix else "has no suffix"
        raise MediaError(path, problem, f"use {', '.join(suffixes)}")
    if not path.parent.is_dir():
        raise MediaError(path, f"no such folder {path.parent}", "create it first")
    if not os.access(path.parent, os.W_OK):
        raise MediaError(path, f"folder {path.parent} is not writable", "check its permissions")
    for given in map(Path, filter(None, inputs)):
        if given.exists() and path.exists() and given.samefile(path):
            raise MediaError(path, "is the input file", "give the output another name")


@contextmanager
def naming_target(path: str | Path) -> Iterator[None]:
    """Turn OS errors (no space, no permission, no such folder) into ones that name the target."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(path, f"cannot be written ({reason})", "check the folder") from error


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path``; renamed to it when the block succeeds, else removed."""
    path = Path(path)
    if path.is_dir():
        raise MediaError(path, "is a folder", "name a file to write")
    temporary = unfinished_path(path)
    with naming_target(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with naming_target(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def unfinished_path(path: Path) -> Path:
    """A hidden name beside ``path``, for a file that this process is still writing."""
    return path.with_name(f".{os.getpid()}-{uuid.uuid4().hex[:12]}{path.suffix}")


def remove_unfinished(folder: Path, pid: int) -> None:
    """Remove unfinished files and folders left by a killed process."""
    for left in folder.glob(f".{pid}-*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
