"""What a dub can be written as: refused before any work what would fail after it."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync.dubbing.sound import AUDIO_CHOICES
from lipsync.errors import ConfigError
from lipsync.media import PRESETS, VIDEO_CODECS
from lipsync.options import check_options, option


@dataclass(frozen=True)
class Encoding:
    """The options of :func:`lipsync.dubbing.dub` for its encoders; explained there.

    Raises:
        ConfigError: options that cannot work.
    """

    codec: str = option("h264", choices=VIDEO_CODECS)
    crf: int = option(18, least=0, most=51)
    preset: str = option("veryfast", choices=PRESETS)
    audio_codec: str = option("auto", choices=AUDIO_CHOICES)
    audio_bitrate: int | None = option(None, least=8_000, most=512_000)

    def __post_init__(self) -> None:
        check_options(self)
        if self.audio_bitrate is not None and self.audio_codec == "flac":
            raise ConfigError("flac loses nothing and has no bit rate; leave audio_bitrate out")
