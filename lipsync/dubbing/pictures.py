"""The pictures that a dub writes: side by side, the mouth alone, or with all that the source has
beside 8 bits of colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lipsync.dubbing.marks import side_by_side, side_by_side_size
from lipsync.dubbing.options import Encoding
from lipsync.dubbing.plan import Plan
from lipsync.dubbing.playback import Playback
from lipsync.dubbing.render import DubbedFrame
from lipsync.errors import ConfigError
from lipsync.faces.framing import Framing
from lipsync.media import (
    CONTAINERS,
    SequenceWriter,
    Soundtrack,
    VideoWriter,
    check_sequence,
    check_target,
    is_sequence,
)
from lipsync.media.encoders import encoder_of

_WHOLE = 65535


def check_output(output: Path, encoding: Encoding, *inputs: str | Path | None) -> None:
    """Refuse before any work an output that cannot be written as is wanted.

    Raises:
        MediaError, ConfigError: so it is.
    """
    if is_sequence(output):
        check_sequence(output)
        if encoding.codec != "auto" or encoding.audio_codec not in ("auto", "pcm"):
            raise ConfigError(
                f"{output} is written as PNG with PCM sound; leave out codec and audio_codec"
            )
        return
    check_target(output, *inputs, suffixes=CONTAINERS)
    name, encoder = encoder_of(output, encoding.codec)
    if encoding.layer and not encoder.alpha:
        raise ConfigError(
            f"{name} cannot store transparency, which layer needs; use prores4444, vp9 or "
            "shot/%05d.png"
        )


class Pictures:
    """How the frames of a dub are written, and as what.

    Args:
        encoding: what is wanted.
        output: the file, or the sequence.
        plan: of the dub.
    """

    def __init__(self, encoding: Encoding, output: Path, plan: Plan) -> None:
        self._encoding, self._output, self._plan = encoding, output, plan
        self._originals: Originals | None = None
        source, sequence = plan.source, is_sequence(output)
        encoder = None if sequence else encoder_of(output, encoding.codec)[1]
        whole = not (encoding.preview or encoding.layer)
        bits = whole and source.bits and (encoder is None or encoder.deep)
        alpha = whole and source.alpha and (encoder is None or bool(encoder.alpha))
        self._alpha = alpha or encoding.layer
        kept = ("10 bits" * bits, "transparency" * alpha)
        self.kept = " and ".join(filter(None, kept))
        """What of the source is kept beside 8 bits of colour."""
        if self.kept:
            self._originals = Originals(plan.playback)

    def writer(
        self, track: Soundtrack | None, metadata: dict[str, str]
    ) -> VideoWriter | SequenceWriter:
        """Of the output."""
        encoding, source = self._encoding, self._plan.source
        size = side_by_side_size(source.size) if encoding.preview else source.size
        if is_sequence(self._output):
            return SequenceWriter(self._output, source.fps, size, audio=track)
        return VideoWriter(
            self._output,
            source.fps,
            size,
            audio=track,
            crf=encoding.crf,
            codec=encoding.codec,
            preset=encoding.preset,
            variable=source.variable,
            alpha=self._alpha,
            metadata=metadata,
        )

    def picture(self, frame: DubbedFrame) -> np.ndarray:
        """What is written of a frame; frames are asked for in their order."""
        if self._encoding.preview:
            return side_by_side(frame.original, frame.picture)
        if self._encoding.layer:
            return mouth_layer(frame, self._plan.lips.framing)
        return frame.picture if self._originals is None else self._originals.with_dub(frame)


class Originals:
    """The frames of a source as they were, decoded once more beside the dubbed ones.

    Args:
        playback: of the dub.
    """

    def __init__(self, playback: Playback) -> None:
        source, seconds = playback.source.deepened(), playback.seconds
        self._frames = iter(Playback(source, seconds, playback.length, playback.keep))

    def with_dub(self, frame: DubbedFrame) -> np.ndarray:
        """The next one with what the dub changed: uint16 (H, W, 4) RGBA."""
        whole = next(self._frames).picture
        change = frame.picture.astype(np.int32) - frame.original
        touched = change.any(axis=2)
        made = whole[touched]
        made[:, :3] = np.clip(made[:, :3] + 257 * change[touched], 0, _WHOLE)
        whole[touched] = made
        return whole


def mouth_layer(frame: DubbedFrame, framing: Framing) -> np.ndarray:
    """What a dub lays over the source's frame: uint16 (H, W, 4) RGBA, not premultiplied.

    Laid over the source, it gives the dub.
    """
    layer = np.zeros((*frame.picture.shape[:2], 4), np.uint16)
    white, lit = np.ones((64, 64, 3), np.float32), np.zeros_like(frame.picture)
    for transform in frame.transforms:
        if transform is not None:
            lit = framing.paste(lit, white, transform)
    share = lit[..., 0]
    seen = share > 0
    weight = share[seen, None].astype(np.float32) / 255
    old = frame.original[seen].astype(np.float32)
    made = old + (frame.picture[seen] - old) / weight
    layer[seen, :3] = np.clip(257 * made, 0, _WHOLE).round()
    layer[..., 3] = share.astype(np.uint16) * 257
    return layer
