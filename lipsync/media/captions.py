"""Transfer subtitles between containers: text without styling, bitmaps unchanged."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from fractions import Fraction

import av

from lipsync.media.streams import codec_name

_TEXT = {"subrip", "text", "mov_text", "webvtt", "ass", "ssa"}
_WRITTEN = {".mp4": "mov_text", ".m4v": "mov_text", ".mov": "mov_text", ".mkv": "subrip"}
WRITTEN = _WRITTEN | {".webm": "webvtt"}
"""Codec of text subtitles by container suffix."""
_COPYABLE = {
    ".mkv": {"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
}
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, \
Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_MILLI = Fraction(1, 1000)


@dataclass(frozen=True)
class SubtitleConversion:
    """Conversion of a subtitle track for a container.

    Attributes:
        source_codec, codec: the old and the new codec.
    """

    source_codec: str
    codec: str

    @property
    def is_copy(self) -> bool:
        """Whether packets are copied unchanged."""
        return self.source_codec == self.codec

    def add(
        self, container: av.container.OutputContainer, stream: av.stream.Stream
    ) -> av.stream.Stream:
        """Add the new track for ``stream``."""
        if self.is_copy:
            return container.add_stream_from_template(stream)
        stream = container.add_stream(self.codec)
        stream.codec_context.subtitle_header = _HEADER  # the header that ffmpeg's encoders expect
        stream.time_base = stream.codec_context.time_base = _MILLI
        stream.codec_context.open()
        return stream

    def packet(self, packet: av.Packet) -> av.Packet | None:
        """The converted packet; None if it has no text, as between the lines of mov_text."""
        if self.is_copy:
            return packet
        words = plain_text(bytes(packet), self.source_codec)
        if not words:
            return None
        text = (html.escape(words, quote=False) if self.codec == "webvtt" else words).encode()
        converted = av.Packet(
            len(text).to_bytes(2, "big") + text if self.codec == "mov_text" else text
        )
        converted.time_base = packet.time_base
        converted.pts = converted.dts = packet.pts
        converted.duration = packet.duration
        return converted


def subtitle_conversion(stream: av.stream.Stream, suffix: str) -> SubtitleConversion | None:
    """The conversion of a subtitle track for a container; None if there is none."""
    name, written = codec_name(stream), WRITTEN.get(suffix)
    if name == written or name in _COPYABLE.get(suffix, ()):
        return SubtitleConversion(name, name)
    return SubtitleConversion(name, written) if written and name in _TEXT else None


def plain_text(raw: bytes, codec: str) -> str:
    """The text of a packet, without styling."""
    if codec == "mov_text":
        length, raw = int.from_bytes(raw[:2], "big"), raw[2:]
        raw = raw[:length]
        utf16 = raw[:2] in (b"\xfe\xff", b"\xff\xfe")
        return raw.decode("utf-16" if utf16 else "utf-8", "replace").strip()
    text = raw.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        text = text.split(",", 8)[-1].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    text = _TAG.sub("", text)
    return (html.unescape(text) if codec == "webvtt" else text).strip()
