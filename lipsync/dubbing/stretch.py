"""Dubbing of a stretch of a video, while the rest passes unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.dubbing.options import Options, seconds_of
from lipsync.dubbing.sound import OUTPUT_RATE, Reader, Sound
from lipsync.dubbing.source import Source
from lipsync.errors import ConfigError, MediaError
from lipsync.media import USUAL_CODEC, EncodedSound, audio_blocks, probe, sound_channels

_FADE = 0.1  # fade of the new mouth at both ends, in seconds
_SOUND_FADE = 0.005  # cross-fade of the audio in seconds, to avoid clicks


@dataclass(frozen=True)
class Stretch:
    """``start`` and ``end`` in seconds from the first frame; the new audio starts at ``start``."""

    start: float
    end: float

    def contains(self, seconds: float) -> bool:
        """Whether a frame that starts at this time is dubbed."""
        return self.start - 1e-6 <= seconds < self.end - 1e-6

    def weight(self, seconds: float, fps: float) -> float:
        """Opacity of the dub in a frame of the stretch, in (0, 1]; fades at the ends."""
        to_end = self.end - seconds
        from_start = seconds - self.start + 1 / fps if self.start else to_end
        return min(1.0, max(min(from_start, to_end) / (_FADE + 1 / fps), 1e-3))


def find_stretch(options: Options, source: Source, sound: Sound) -> Stretch | None:
    """The stretch given by ``start`` and ``until``; ``None`` if the whole video is dubbed.

    Without ``until`` it is as long as the new audio.

    Raises:
        ConfigError: the source is a still picture.
        MediaError: the video ends before the stretch starts.
    """
    if options.start is None and options.until is None:
        return None
    if source.still is not None:
        raise ConfigError(f"{source.path} is a still picture; leave out --from and --until")
    start = seconds_of("from", options.start or 0)
    end = start + sound.seconds if options.until is None else seconds_of("until", options.until)
    if source.times is not None and len(source.times):
        last = float(source.times[-1] - source.times[0])
        if start > last:
            lasts = f"its last frame is shown at {last:.2f} s, --from is {start:.2f}"
            raise MediaError(source.path, lasts, "choose an earlier --from")
    return Stretch(start, end)


def stretch_track(
    stretch: Stretch,
    target: Path,
    source: Source,
    sound: Sound,
    codec: str,
    bit_rate: int | None,
) -> tuple[EncodedSound, str]:
    """The video's own audio with the new audio in the stretch, and the codec's name.

    If the new audio ends before the stretch, the rest of the stretch is silent; so is the video
    outside the stretch if it has no audio of its own.

    Raises:
        ConfigError: ``codec`` is "copy".
    """
    if codec == "copy":
        raise ConfigError(
            "with --from or --until the sound cannot be copied; use --audio-codec auto"
        )
    name = USUAL_CODEC.get(target.suffix.lower(), "aac") if codec == "auto" else codec
    path, streams = source.path, source.streams
    voiced = probe(path, streams).has_audio
    own = sound_channels(path, name, streams) if voiced else 1
    channels = max(sound.channels(name), own)
    old: Iterable[np.ndarray] = ()
    if voiced:
        how: dict[str, Any] = {"tolerate_damage": source.tolerate_damage, "streams": streams}
        old = audio_blocks(path, OUTPUT_RATE, channels=channels, **how)
    blocks = splice(old, sound.blocks(channels), stretch, channels)
    return EncodedSound(blocks, OUTPUT_RATE, channels, name, bit_rate, fit=True), name


def splice(
    old: Iterable[np.ndarray], new: Iterable[np.ndarray], stretch: Stretch, channels: int
) -> Iterator[np.ndarray]:
    """Endless blocks (channels, n) at 48 kHz of ``old``, with ``new`` in the stretch."""
    start, end = (round(seconds * OUTPUT_RATE) for seconds in (stretch.start, stretch.end))
    fade, at = round(_SOUND_FADE * OUTPUT_RATE), 0
    before, within = Reader(old, channels), Reader(new, channels)
    while True:
        edge = next((edge for edge in (start, end) if at < edge), at + OUTPUT_RATE)
        count = min(edge - at, OUTPUT_RATE)
        block = before.take(count)
        if start <= at < end:
            times = np.arange(at, at + count)
            share = np.minimum((end - times) / fade, 1)
            if start:
                share = np.minimum(share, (times - start) / fade)
            block = block + share.astype(np.float32) * (within.take(count) - block)
        yield block
        at += count
