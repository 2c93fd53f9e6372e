"""Which of a file's tracks are read: the default ones, or those that are named."""

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
    """The tracks that are chosen; None is the default one, else the first.

    Attributes:
        video: a number from 0, covers not counted.
        audio: a number from 0, or a language, by any of its ISO 639 codes.
    """

    video: int | None = None
    audio: int | str | None = None

    def video_of(
        self, path: str | Path, container: av.container.InputContainer
    ) -> av.VideoStream | None:
        """The video that is read; None where there is none.

        Raises:
            MediaError: the chosen one is not there; the message lists what is.
        """
        streams = videos(container)
        if self.video is None:
            return _default(streams)
        if self.video < len(streams):
            return streams[self.video]
        raise _missing(path, "video", self.video, streams)

    def audio_of(
        self, path: str | Path, container: av.container.InputContainer
    ) -> av.AudioStream | None:
        """The sound that is read; as :meth:`video_of`."""
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
        raise _missing(path, "audio", wanted, streams)


USUAL = Streams()
"""The default ones."""


def videos(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The videos of a file without attached pictures (covers)."""
    return [one for one in container.streams.video if not one.disposition & _COVER]


def language_of(stream: av.stream.Stream) -> str:
    """ISO 639-2 code of a track's language; "und" if it is unknown."""
    return track_code(stream.metadata.get("language", ""))


def described(stream: av.stream.Stream, number: int) -> str:
    """A track in a few words, such as ``1 (deu, ac3 5.1, default)``."""
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
    """What ffmpeg calls a track's codec, whoever decodes it; "" if nobody here does."""
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""


def _default(streams: Sequence) -> Any:
    default = (one for one in streams if one.disposition & av.stream.Disposition.default)
    return next(default, streams[0] if streams else None)


def _missing(path: str | Path, kind: str, wanted: int | str, streams: Sequence) -> MediaError:
    there = ", ".join(described(one, number) for number, one in enumerate(streams))
    problem = f"has no {kind} track {wanted}; there are: {there or 'none'}"
    return MediaError(path, problem, f"name one of these with --{kind}-stream, or leave it out")
