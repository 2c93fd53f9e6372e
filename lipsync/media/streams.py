"""Selection of a file's tracks: the default ones, or those chosen by the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from lipsync.errors import MediaError
from lipsync.languages import track_code

_COVER = av.stream.Disposition.attached_pic


@dataclass(frozen=True)
class Streams:
    """The chosen tracks; None means the default track, or the first if none is marked.

    Attributes:
        video: a number from 0, not counting cover art.
        audio: a number from 0, or any ISO 639 code of a language.
    """

    video: int | None = None
    audio: int | str | None = None

    def video_of(
        self, path: str | Path, container: av.container.InputContainer
    ) -> av.VideoStream | None:
        """The chosen video track; None if the file has no video.

        Raises:
            MediaError: no such track; the message lists those available.
        """
        streams = videos(container)
        if self.video is None:
            return _default(streams)
        if self.video < len(streams):
            return streams[self.video]
        raise _no_track_error(path, "video", self.video, streams)

    def audio_of(
        self, path: str | Path, container: av.container.InputContainer
    ) -> av.AudioStream | None:
        """The chosen audio track; as :meth:`video_of`."""
        streams, wanted = container.streams.audio, self.audio
        if wanted is None:
            return _default(streams)
        if str(wanted).isdecimal():
            if int(wanted) < len(streams):
                return streams[int(wanted)]
        else:
            own = [one for one in streams if language_of(one) == track_code(str(wanted)) != "und"]
            if own:
                return _default(own)
        raise _no_track_error(path, "audio", wanted, streams)


USUAL = Streams()
"""The default tracks."""


def videos(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video tracks of a file, without attached pictures (cover art)."""
    return [one for one in container.streams.video if not one.disposition & _COVER]


def language_of(stream: av.stream.Stream) -> str:
    """ISO 639-2 code of a track's language; "und" if it is unknown."""
    return track_code(stream.metadata.get("language", ""))


def describe_track(stream: av.stream.Stream, number: int) -> str:
    """A short description of a track, such as ``1 (deu, ac3 5.1, default)``."""
    context = stream.codec_context
    kind = codec_name(stream) or "unknown codec"
    if context is not None and stream.type == "audio":
        kind += f" {context.layout.name}"
    elif context is not None and stream.type == "video":
        kind += f" {context.width}x{context.height}"
    default = stream.disposition & av.stream.Disposition.default
    language = language_of(stream)
    words = (language if language != "und" else "", kind, "default" if default else "")
    return f"{number} ({', '.join(filter(None, words))})"


def codec_name(stream: av.stream.Stream) -> str:
    """ffmpeg's name of a track's codec, whichever decoder is used; "" if there is none."""
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""


def _default(streams: Sequence) -> Any:
    default = (one for one in streams if one.disposition & av.stream.Disposition.default)
    return next(default, streams[0] if streams else None)


def _no_track_error(
    path: str | Path, kind: str, wanted: int | str, streams: Sequence
) -> MediaError:
    available = ", ".join(describe_track(one, number) for number, one in enumerate(streams))
    problem = f"has no {kind} track {wanted}; there are: {available or 'none'}"
    return MediaError(path, problem, f"name one of these with --{kind}-stream, or leave it out")
