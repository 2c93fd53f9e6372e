"""What a dub can be written as, and where: refused before any work what would fail after it."""

from __future__ import annotations

import os
from pathlib import Path

from lipsync.dubbing.sound import AUDIO_CHOICES
from lipsync.errors import ConfigError, MediaError
from lipsync.media import PRESETS, VIDEO_CODECS

CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv")


def check_writing(
    codec: str, crf: int, preset: str, audio_codec: str, audio_bitrate: int | None
) -> None:
    """Raise ConfigError for encoders' options that cannot work, see :func:`lipsync.dubbing.dub`."""
    if not 0 <= crf <= 51:
        raise ConfigError(f"crf must be 0 to 51, got {crf}")
    for name, value, known in (
        ("codec", codec, VIDEO_CODECS),
        ("preset", preset, PRESETS),
        ("audio_codec", audio_codec, AUDIO_CHOICES),
    ):
        if value not in known:
            raise ConfigError(f"{name} must be one of {', '.join(known)}, got '{value}'")
    if audio_bitrate is not None and not 8_000 <= audio_bitrate <= 512_000:
        raise ConfigError(
            f"audio_bitrate must be 8000 to 512000 bits a second, got {audio_bitrate}"
        )
    if audio_bitrate is not None and audio_codec == "flac":
        raise ConfigError("flac loses nothing and has no bit rate; leave audio_bitrate out")


def check_output(output: Path, *inputs: str | Path | None) -> None:
    """Raise MediaError for a video that cannot be written, or is one of the inputs."""
    if output.suffix.lower() not in CONTAINERS:
        raise MediaError(
            output, f"'{output.suffix}' is no video's suffix", f"use {', '.join(CONTAINERS)}"
        )
    check_folder(output)
    for path in inputs:
        there = path is not None and Path(path).exists() and output.exists()
        if there and Path(path).samefile(output):
            raise MediaError(output, "is the input itself", "give the output another name")


def check_folder(path: Path) -> None:
    """Raise MediaError where no file can be written under this name."""
    if path.is_dir():
        raise MediaError(path, "is a folder", "name a file to write")
    if not path.parent.is_dir():
        raise MediaError(path, f"there is no folder {path.parent}", "make it first")
    if not os.access(path.parent, os.W_OK):
        raise MediaError(path, f"folder {path.parent} cannot be written", "check its rights")
