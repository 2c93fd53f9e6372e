"""What a dub can be written as: refused before any work what would fail after it."""

from __future__ import annotations

from lipsync.dubbing.sound import AUDIO_CHOICES
from lipsync.errors import ConfigError
from lipsync.media import PRESETS, VIDEO_CODECS


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
