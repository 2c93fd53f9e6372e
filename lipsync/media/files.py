"""Local files: opened for decoding with every failure named, and written whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av

from lipsync.errors import MediaError
from lipsync.media.pictures import as_video, played_by_ffmpeg
from lipsync.media.streams import USUAL, Streams

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # ffmpeg's own decoders leave alpha out
_FOLLOWING = {"concat", "dash", "hls", "imf", "rtsp", "sdp", "webm_dash_manifest"}
_DEMUXERS = ",".join(sorted(av.formats_available - _FOLLOWING))
"""Of all formats those that hold what they play, and do not name other files or addresses."""


@contextmanager
def opened(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a local file, whatever it is called, and name it in every failure."""
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
        # "file:" keeps ffmpeg from reading "concat:..." or "http:..." into a name
        file = f"file:{path}" if played_by_ffmpeg(head) else as_video(path)
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
    """Duration of a stream by its own header, else by the container's; 0.0 if unknown."""
    if stream is None:
        return 0.0
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def demuxed(
    container: av.container.InputContainer, *streams: av.stream.Stream
) -> Iterator[av.Packet]:
    """The packets of streams; another one that begins on the way is damage, unknown to PyAV."""
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
    """Decode one stream; damage raises with its time, or is concealed by the decoder."""
    context = stream.codec_context
    if context is None:
        raise MediaError(path, f"no decoder for its {stream.type}", "convert it to H.264 and AAC")
    if stream.metadata.get("alpha_mode") == "1" and context.name in _WITH_ALPHA:
        context = av.CodecContext.create(_WITH_ALPHA[context.name], "r")
    if stream.type == "video":
        context.thread_type, context.thread_count = "AUTO", threads
        if not tolerant:
            # Frame threads lose some flags of corrupt frames at random, unless errors stop them.
            context.options = {"err_detect": "explode"}
    time = 0.0
    packets = demuxed(container, stream)
    while True:
        try:
            packet = next(packets)
            if packet.pts is not None:
                time = float(packet.pts * packet.time_base)
                if not packet.size:  # nothing but a note of the encoder, which would end the stream
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
    """The first picture of a file's video and its time in seconds; ``None`` without video."""
    with opened(path) as container:
        stream = streams.video_of(path, container)
        if stream is not None:
            for frame in decoded(path, container, stream, tolerant=True):
                return frame.time or 0.0, frame
    return None


def check_target(
    path: str | Path, *inputs: str | Path | None, suffixes: Sequence[str] = ()
) -> None:
    """Refuse before any work a name under which no file can be written after it.

    Args:
        path: the name.
        inputs: files that must not be overwritten; ``None`` is skipped.
        suffixes: of containers that can be written; none takes all.

    Raises:
        MediaError: another suffix, a folder, no folder, no rights, or an input itself.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise MediaError(
            path, f"'{path.suffix}' is not a video suffix", f"use {', '.join(suffixes)}"
        )
    if path.is_dir():
        raise MediaError(path, "is a folder", "name a file to write")
    if not path.parent.is_dir():
        raise MediaError(path, f"no such folder {path.parent}", "create it first")
    if not os.access(path.parent, os.W_OK):
        raise MediaError(path, f"folder {path.parent} is not writable", "check its permissions")
    for given in map(Path, filter(None, inputs)):
        if given.exists() and path.exists() and given.samefile(path):
            raise MediaError(path, "is the input file", "give the output another name")


@contextmanager
def naming_target(path: str | Path) -> Iterator[None]:
    """Name the target in whatever the system says: no space, no rights, no such folder."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(path, f"cannot be written ({reason})", "check the folder") from error


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; moved there when the block ends, or removed."""
    path = Path(path)
    if path.is_dir():
        raise MediaError(path, "is a folder", "name a file to write")
    temporary = unfinished(path)
    with naming_target(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with naming_target(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def unfinished(path: Path) -> Path:
    """A hidden name beside ``path``, for what is still being written by this process."""
    return path.with_name(f".{os.getpid()}-{uuid.uuid4().hex[:12]}{path.suffix}")


def remove_unfinished(folder: Path, pid: int) -> None:
    """Remove what a process that was killed has left of unfinished files and folders."""
    for left in folder.glob(f".{pid}-*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
