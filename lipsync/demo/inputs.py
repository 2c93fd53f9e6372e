"""Uploads: streamed to a file, up to a limit, then validated as media."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from starlette.requests import Request

from lipsync.audio import SAMPLE_RATE
from lipsync.demo.messages import Refusal
from lipsync.errors import MediaError
from lipsync.media import audio_blocks, frame_times, probe
from lipsync.media.files import opened
from lipsync.media.streams import USUAL

_PICTURES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}
_MOST_PIXELS = 4096 * 2304
_RESERVE = 500 * 10**6  # bytes of disk space to leave free
_NAMES = {"face": "The video or picture", "sound": "The sound", "video": "The video"}


def name_of(kind: str) -> str:
    """The name of an upload in messages."""
    return _NAMES[kind]


async def receive(request: Request, path: Path, max_mb: int) -> None:
    """Write the body of a request to ``path``, up to ``max_mb`` megabytes.

    Raises:
        Refusal: it is too large or empty, or the disk is full; a partial file may remain.
    """
    most = max_mb * 10**6
    too_large = f"The file is larger than {max_mb} MB, the limit of this page."
    declared = request.headers.get("content-length", "")
    expected = int(declared) if declared.isdecimal() else most
    if expected > most:
        raise Refusal(too_large, 413)
    if shutil.disk_usage(path.parent).free < expected + _RESERVE:
        raise Refusal("The server's disk is full; try again later.", 507)
    size = 0
    with path.open("xb") as file:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise Refusal(too_large, 413)
            file.write(part)
    if not size:
        raise Refusal("The file is empty.")


def inspect_upload(path: Path, kind: str, max_seconds: float) -> tuple[Path, dict[str, Any]]:
    """Validate an upload and describe it.

    Args:
        path: the file, without a suffix.
        kind: "face" for a video or image, "sound" for anything with sound, "video" for a video
            with sound.
        max_seconds: maximum duration.

    Returns:
        Its path, renamed with a suffix if it is an image, and its description.

    Raises:
        Refusal, MediaError: it cannot be used; the file remains.
    """
    picture = _picture(path)
    if picture is not None:
        if kind != "face":
            raise Refusal(f"{name_of(kind)} is a picture; choose a file with sound.")
        suffix, width, height = picture
        _check_size(kind, width, height)
        return path.rename(path.with_suffix(suffix)), {"width": width, "height": height}
    with opened(path) as container:
        stream = USUAL.video_of(path, container)
        if stream is not None:
            _check_size(kind, stream.width, stream.height)
    info = probe(path)
    if kind != "sound" and not info.has_video:
        raise Refusal(f"{name_of(kind)} contains no video; choose another file.")
    if kind != "face" and not info.has_audio:
        raise Refusal(f"{name_of(kind)} has no sound; choose a file with speech.")
    about: dict[str, Any] = {"width": info.width, "height": info.height}
    if kind != "sound":
        about["seconds"] = _video_seconds(path, info.video_seconds, kind, max_seconds)
    if kind != "face":
        about["seconds"] = _sound_seconds(path, kind, max_seconds)
    return path, about


def _picture(path: Path) -> tuple[str, int, int] | None:
    """Suffix, width and height of a still image, from its header; None for anything else."""
    try:
        with Image.open(path, formats=tuple(_PICTURES)) as picture:
            return _PICTURES[picture.format], *picture.size
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError):
        return None


def _check_size(kind: str, width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise Refusal(f"{name_of(kind)} is {width}x{height}; the limit is 4096x2304 pixels.")


def _video_seconds(path: Path, declared: float, kind: str, most: float) -> float:
    """Duration of a video from its frames' timestamps: recordings often do not state it."""
    times = frame_times(path, most + 1)
    seconds = float(times[-1] - times[0]) if len(times) else declared
    return _check_duration(seconds, kind, most)


def _sound_seconds(path: Path, kind: str, most: float) -> float:
    samples = 0
    for block in audio_blocks(path, SAMPLE_RATE):
        samples += block.shape[-1]
        if samples > most * SAMPLE_RATE:
            break
    if not samples:
        raise MediaError(path, "its sound is empty", "record it again")
    return _check_duration(samples / SAMPLE_RATE, kind, most)


def _check_duration(seconds: float, kind: str, most: float) -> float:
    if seconds > most:
        raise Refusal(f"{name_of(kind)} is longer than the limit of {most:g} s; shorten it.")
    return round(seconds, 2)
