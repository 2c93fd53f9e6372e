"""Copy a file's other tracks and metadata into a new file: sound, subtitles, chapters,
attachments, tags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import numpy as np

from lipsync.errors import MediaError
from lipsync.media.captions import SubtitleConversion, subtitle_conversion
from lipsync.media.files import demuxed, opened
from lipsync.media.sound import audio_blocks
from lipsync.media.soundtrack import (
    USUAL_CODEC,
    EncodedSound,
    origin,
    priming,
    shift_packet,
    sound_channels,
    supports_codec,
)
from lipsync.media.streams import USUAL, Streams, describe_track, videos

_RATE = 48_000  # Hz, of re-encoded sound
_APART = 10.0  # seconds; maximum interleaving distance of tracks in a file
MP4 = {".mp4", ".m4v", ".mov"}
MP4_TAGS = {  # iTunes tags, and those with a field of their own in mp4
    "title", "artist", "album", "album_artist", "comment", "composer", "copyright", "date",
    "description", "episode_id", "genre", "grouping", "keywords", "lyrics", "network", "show",
    "synopsis", "track", "creation_time", "timecode",
}  # fmt: skip
_TAGGED = {*MP4, ".mkv", ".webm"}
_CONTAINER_TAGS = {  # tags that describe the source file itself, or are written anew
    "major_brand", "minor_version", "compatible_brands", "encoder", "duration", "comment",
    "operational_pattern_ul", "handler_name", "vendor_id", "software", "company_name", "uid",
    "generation_uid", "material_package_umid", "modification_date", "application_platform",
}  # fmt: skip
_VENDOR_PREFIXES = ("com.", "product_", "toolkit_")  # prefixes of camera and program tags


class KeptTracks:
    """The tracks of a file that are not replaced, on the clock of its first frame.

    Packets are copied; sound in a codec that the container cannot hold is re-encoded (5.1 stays
    5.1), text subtitles are converted to its format. All end with the new video. Damage in them is
    skipped or silenced and raises no error.

    Args:
        path: the source file.
        target: the file to write.
        streams: the tracks of ``path`` that are replaced.
        seconds: duration of the new video; None if unknown.

    Attributes:
        kept: a short description of each track kept, and of chapters and attachments.
        left_out: the same for each track left out, with the reason; complete after writing.
        tags: of the file, such as its title; and its ``comment``.
    """

    def __init__(
        self,
        path: Path,
        target: Path,
        streams: Streams = USUAL,
        seconds: float | None = None,
    ) -> None:
        self.path, self._target, self.suffix = path, target, target.suffix.lower()
        self._streams, self._seconds = streams, seconds
        self.kept: list[str] = []
        self.left_out: list[str] = []
        self._sound: list[tuple[int, str]] = []  # (index, name) of re-encoded tracks
        self._copied: list[tuple[int, SubtitleConversion | None]] = []  # with their index
        with opened(path) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
            self.comment = tags.get("comment", "")
            self.tags = {
                key: value
                for key, value in tags.items()
                if key not in _CONTAINER_TAGS and not key.startswith(_VENDOR_PREFIXES)
            }
            self._choose_tracks(container)
            self._chapters = container.chapters()
            self._attached = [
                (one.name or "unnamed", one.mimetype or "application/octet-stream", one.data or b"")
                for one in container.streams.attachments
            ]
        self._count("chapter", len(self._chapters), self.suffix in _TAGGED)
        self._count("attachment", len(self._attached), self.suffix == ".mkv")
        supported = MP4_TAGS if self.suffix in MP4 else self.tags if self.suffix in _TAGGED else ()
        if lost := sorted(self.tags.keys() - supported):
            self.tags = {key: self.tags[key] for key in self.tags.keys() & supported}
            self.left_out.append(f"tags {', '.join(lost)}")
        self._encoded: list[EncodedSound] = []
        self._stack = ExitStack()

    def _count(self, what: str, count: int, supported: bool) -> None:
        if count:
            (self.kept if supported else self.left_out).append(
                f"{count} {what}{'s' * (count != 1)}"
            )

    def _choose_tracks(self, container: av.container.InputContainer) -> None:
        own = self._streams.audio_of(self.path, container)
        for number, stream in enumerate(container.streams.audio):
            if stream is own:
                continue
            name = f"audio {describe_track(stream, number)}"
            if stream.codec_context is None:
                self.left_out.append(f"{name}: no decoder")
            elif not (stream.codec_context.sample_rate and stream.codec_context.channels):
                self.left_out.append(f"{name}: it is empty")
            elif supports_codec(self._target, stream):
                self._copied.append((stream.index, None))
                self.kept.append(name)
            else:
                self._sound.append((number, name))
                self.kept.append(f"{name} as {self._codec}")
        for number, stream in enumerate(container.streams.subtitles):
            name = f"subtitles {describe_track(stream, number)}"
            conversion = subtitle_conversion(stream, self.suffix)
            if conversion is None:
                self.left_out.append(f"{name}: {self.suffix} does not take them")
            else:
                self._copied.append((stream.index, conversion))
                self.kept.append(name if conversion.is_copy else f"{name} as {conversion.codec}")
        replaced = self._streams.video_of(self.path, container)
        for number, stream in enumerate(videos(container)):
            if stream is not replaced:
                self.left_out.append(f"video {describe_track(stream, number)}: one is written")

    @property
    def _codec(self) -> str:
        return USUAL_CODEC.get(self.suffix, "aac")

    def open(self, container: av.container.OutputContainer) -> None:
        """Add the tracks, chapters and attachments; called once, before any packet."""
        self._container = container
        source = self._stack.enter_context(opened(self.path))
        self._origin = origin(self.path, source, self._streams)
        self._out: dict[int, tuple[av.stream.Stream, SubtitleConversion | None, float]] = {}
        for index, conversion in self._copied:
            stream = source.streams[index]
            out = (
                conversion.add(container, stream)
                if conversion
                else container.add_stream_from_template(stream)
            )
            earliest = 0.0
            if stream.type == "audio":
                begin = float((stream.start_time or 0) * stream.time_base) - self._origin
                earliest = -priming(stream) if begin >= -priming(stream) else 0.0
            self._out[index] = out, conversion, earliest
            _copy_metadata(out, stream)
        for number, name in self._sound:
            stream, streams = source.streams.audio[number], Streams(self._streams.video, number)
            channels = sound_channels(self.path, self._codec, streams)
            how: dict[str, Any] = {"tolerate_damage": True, "streams": streams}
            blocks = audio_blocks(self.path, _RATE, channels=channels, **how)
            blocks = self._until_damage(name, blocks)
            sound = EncodedSound(blocks, _RATE, channels, self._codec, fit=True)
            _copy_metadata(sound.open(container), stream)
            self._encoded.append(sound)
        if self._chapters and self.suffix in _TAGGED:
            container.set_chapters(list(self._shifted_chapters()))
        for attachment in self._attached if self.suffix == ".mkv" else ():
            container.add_attachment(*attachment)
        self._packets, self._held = self._copied_packets(source), None

    def _until_damage(self, name: str, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The blocks of a track up to any damage, which is no error in an extra track."""
        sent = 0
        try:
            for block in blocks:
                yield block
                sent += block.shape[1]
        except MediaError:
            self.left_out.append(f"{name} from {sent / _RATE:.2f} s: it is damaged")

    def _shifted_chapters(self) -> Iterator[dict[str, Any]]:
        last = np.inf if self._seconds is None else self._seconds
        for chapter in self._chapters:
            base = chapter["time_base"]
            start, end = (
                max(0.0, float(chapter[name] * base) - self._origin) for name in ("start", "end")
            )
            if start < last and start < end:
                cut = {"start": round(start / base), "end": round(min(end, last) / base)}
                yield chapter | cut

    def _copied_packets(
        self, source: av.container.InputContainer
    ) -> Iterator[tuple[float, av.stream.Stream, av.Packet]]:
        streams, last = [source.streams[index] for index in self._out], dict[int, float]()
        packets = demuxed(source, *streams) if streams else iter(())
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # damage: reported when the main tracks are read
                return
            if packet is None:
                return
            if not packet.size:
                continue
            index = packet.stream.index
            out, conversion, earliest = self._out[index]
            time = shift_packet(packet, self._origin)
            if time is None:
                continue
            if time < earliest - 1e-6:
                end = packet.pts + (packet.duration or 0)
                if out.type != "subtitle" or end <= 0:
                    continue
                packet.pts, packet.dts, packet.duration, time = 0, 0, end, 0.0
            if self._seconds is not None and time >= self._seconds:
                if time > self._seconds + _APART:
                    return
                continue  # other tracks may still have packets
            before = last.get(index, -np.inf)
            if time < before or (time == before and out.type != "subtitle"):
                continue  # timestamps went backwards: keep the earlier packet
            last[index] = time
            if conversion is not None:
                packet = conversion.packet(packet)
            if packet is not None:
                yield time, out, packet

    def write(self, until: float) -> None:
        """Write the tracks up to ``until`` seconds of the video; infinity finishes them."""
        for sound in self._encoded:
            sound.write(until)
        if until == np.inf:
            return
        while True:
            if self._held is None:
                self._held = next(self._packets, None)
            if self._held is None or self._held[0] >= until:
                return
            (time, out, packet), self._held = self._held, None
            if out.type == "subtitle" and packet.duration and self._seconds is not None:
                left = round((self._seconds - time) / packet.time_base)
                packet.duration = max(1, min(packet.duration, left))
            packet.stream = out
            self._container.mux(packet)

    def close(self) -> None:
        """Close whatever is open."""
        self._stack.close()


def _copy_metadata(out: av.stream.Stream, stream: av.stream.Stream) -> None:
    """Copy language, title and disposition of a track, except default: that is the new sound."""
    for key in ("language", "title"):
        if key in stream.metadata:
            out.metadata[key] = stream.metadata[key]
    kind = stream.disposition
    out.disposition = kind & ~av.stream.Disposition.default if stream.type == "audio" else kind
