"""The sound of a video being written: encoded on the fly, or copied packets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lipsync.errors import ConfigError, MediaError
from lipsync.media.channels import LAYOUTS
from lipsync.media.files import demuxed, first_frame, opened
from lipsync.media.streams import USUAL, Streams, codec_name

AUDIO_CODECS = {
    "aac": "aac", "mp3": "libmp3lame", "opus": "libopus", "flac": "flac", "pcm": "pcm_s16le",
}  # fmt: skip
LOSSLESS = ("flac", "pcm")
USUAL_CODEC = {".webm": "opus", ".mxf": "pcm", ".png": "pcm"}
"""Default audio codec by container suffix, where it is not AAC."""
_BIT_RATE = {1: 96_000, 2: 160_000, 6: 384_000}  # by channels; AAC hardly uses more
_KEPT = {  # codecs that players of a container support
    ".mp4": {"aac", "mp3", "ac3", "eac3"},
    ".m4v": {"aac", "ac3", "eac3"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"},
    ".webm": {"opus", "vorbis"},
    ".mkv": {
        "aac", "mp3", "ac3", "eac3", "dts", "truehd", "opus", "flac", "vorbis", "alac",
        "pcm_s16le", "pcm_s24le",
    },
}  # fmt: skip
_PRIMING = 2500  # maximum priming samples of a codec


class Soundtrack(ABC):
    """Sound that :class:`~lipsync.media.VideoWriter` interleaves with the frames."""

    @abstractmethod
    def open(self, container: av.container.OutputContainer) -> av.AudioStream:
        """Add the stream; called once, before any packet."""

    @abstractmethod
    def write(self, until: float) -> None:
        """Write the sound up to ``until`` seconds; infinity for all of it."""

    def close(self) -> None:  # noqa: B027
        """Close whatever is open; always called."""


class EncodedSound(Soundtrack):
    """Sound encoded while writing.

    Args:
        blocks: float32 (channels, n) in [-1, 1], read lazily.
        sample_rate: of the blocks, in Hz.
        channels: 1, 2 or 6 (5.1).
        codec: a name in ``AUDIO_CODECS``.
        bit_rate: bits per second; by default 96,000 mono, 160,000 stereo, 384,000 5.1.
        fit: cut or pad with silence to the length of the video; else it is written whole.
    """

    def __init__(
        self,
        blocks: Iterable[np.ndarray],
        sample_rate: int,
        channels: int = 1,
        codec: str = "aac",
        bit_rate: int | None = None,
        fit: bool = False,
    ) -> None:
        if codec not in AUDIO_CODECS:
            raise ConfigError(
                f"unknown audio codec '{codec}'; choose from {', '.join(AUDIO_CODECS)}"
            )
        self._blocks, self._fit = iter(blocks), fit
        self.sample_rate, self.channels, self.codec = sample_rate, channels, codec
        self.bit_rate = bit_rate or _BIT_RATE[channels]
        self._sent, self._rest = 0, np.zeros((channels, 0), np.float32)

    def open(self, container: av.container.OutputContainer) -> av.AudioStream:
        self._container = container
        self._layout = LAYOUTS[self.channels]
        try:
            self._stream = container.add_stream(
                AUDIO_CODECS[self.codec], rate=self.sample_rate, layout=self._layout
            )
        except (ValueError, av.error.FFmpegError):
            raise ConfigError(
                f"{self.codec} sound cannot be stored in this container; use auto, or write .mkv"
            ) from None
        if self.codec not in LOSSLESS:
            self._stream.bit_rate = self.bit_rate
        return self._stream

    def write(self, until: float) -> None:
        whole = until == np.inf
        wanted = (0 if self._fit else np.inf) if whole else round(until * self.sample_rate)
        while self._sent < wanted:
            block = self._rest if self._rest.size else next(self._blocks, None)
            if block is None and not (self._fit and not whole):
                break
            room = int(min(wanted - self._sent, self.sample_rate))
            if block is None:
                block = np.zeros((self.channels, room), np.float32)
            self._rest = block[:, room:]
            self._encode(block[:, :room])
        if whole:
            self._container.mux(self._stream.encode(None))

    def _encode(self, block: np.ndarray) -> None:
        samples = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block, np.float32), format="fltp", layout=self._layout
        )
        samples.sample_rate = self.sample_rate
        samples.pts, samples.time_base = self._sent, Fraction(1, self.sample_rate)
        self._container.mux(self._stream.encode(samples))
        self._sent += block.shape[1]


class CopiedSound(Soundtrack):
    """The packets of a file's sound, copied without re-encoding.

    Args:
        path: a file for which :func:`can_copy` holds.
        streams: the audio track to copy.
    """

    def __init__(self, path: str | Path, streams: Streams = USUAL) -> None:
        self.path, self.streams = Path(path), streams

    def open(self, container: av.container.OutputContainer) -> av.AudioStream:
        self._stack = ExitStack()
        source_file = self._stack.enter_context(opened(self.path))
        source = self.streams.audio_of(self.path, source_file)
        self._container = container
        self._stream = container.add_stream_from_template(source)
        self._origin = origin(self.path, source_file, self.streams)
        self._packets, self._time, self._end = demuxed(source_file, source), -np.inf, None
        if source.duration is not None:
            self._end = (source.start_time or 0) + source.duration
        return self._stream

    def write(self, until: float) -> None:
        while self._time < until:
            packet = next(self._packets, None)
            if packet is None or not packet.size:
                return
            time = shift_packet(packet, self._origin)
            if time is None:
                continue
            self._time = time
            if self._end is not None and packet.duration:  # the last block is padded
                end = self._end - round(self._origin / packet.time_base)
                packet.duration = max(1, min(packet.duration, end - packet.pts))
            packet.stream = self._stream
            self._container.mux(packet)

    def close(self) -> None:
        if hasattr(self, "_stack"):
            self._stack.close()


def shift_packet(packet: av.Packet, start: float) -> float | None:
    """Move a packet to a clock that starts at ``start``, and return its time on it in seconds.

    None if damage left it without a timestamp, or without the header that the mp4 muxer needs;
    such packets are dropped.
    """
    timestamp = packet.dts if packet.pts is None else packet.pts
    if timestamp is None or not _has_header(packet):
        return None
    packet.pts = packet.dts = timestamp - round(start / packet.time_base)
    return float(packet.pts * packet.time_base)


def _has_header(packet: av.Packet) -> bool:
    """Whether a packet of AC-3 or E-AC-3 has a valid header (ETSI TS 102 366); True for others."""
    if codec_name(packet.stream) not in ("ac3", "eac3"):
        return True
    head = bytes(packet)[:6]
    if len(head) < 6 or head[:2] != b"\x0b\x77" or head[5] >> 3 > 16:
        return False
    if head[5] >> 3 > 10:  # bsid of E-AC-3; check frame type, frame size, sample rate
        long_enough = (head[2] & 7) << 8 | head[3] >= 3
        return head[2] >> 6 != 3 and long_enough and head[4] >> 4 != 15
    return head[4] >> 6 != 3 and head[4] & 63 <= 37  # AC-3: sample rate, frame size


def origin(path: Path, container: av.container.InputContainer, streams: Streams = USUAL) -> float:
    """The time that becomes 0: that of the first frame, else of the first sample."""
    first = first_frame(path, streams)
    if first is not None:
        return first[0]
    sound = streams.audio_of(path, container)
    return float((sound.start_time or 0) * sound.time_base)


def sound_channels(path: str | Path, codec: str, streams: Streams = USUAL) -> int:
    """Number of channels to encode a file's sound with: 1, 2, or 6 if it is 5.1.

    Raises:
        MediaError: it cannot be read, or has no sound.
    """
    with opened(path) as container:
        stream = streams.audio_of(path, container)
        if stream is None:
            raise MediaError(path, "has no sound", "name a file with sound")
        whole = stream.channels == 6 and codec != "mp3"
        return 6 if whole else min(2, stream.channels)


def supports_codec(target: str | Path, stream: av.AudioStream) -> bool:
    """Whether players of a container support a sound's codec."""
    return codec_name(stream) in _KEPT.get(Path(target).suffix.lower(), ())


def priming(stream: av.AudioStream) -> float:
    """Maximum priming of a codec in seconds."""
    return _PRIMING / stream.codec_context.sample_rate


def can_copy(path: str | Path, target: str | Path, streams: Streams = USUAL) -> bool:
    """Whether a file's sound can be copied into a container, and does not start before its video.

    Sound that begins before the first frame of its own video would have to be cut.
    """
    with opened(path) as container:
        stream = streams.audio_of(path, container)
        if stream is None or not supports_codec(target, stream):
            return False
        begin = origin(Path(path), container, streams)
        if float((stream.start_time or 0) * stream.time_base) < begin - 1e-3:
            return False
        first = next(demuxed(container, stream), None)
        if first is None or first.pts is None:
            return False
        # players hide a codec's priming, but not sound that was cut off before it
        return begin - float(first.pts * first.time_base) <= priming(stream)
