"""A stretch of a video that is dubbed while the rest passes unchanged."""

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

_FADE = 0.1  # seconds in which the new mouth takes over from the old one, and hands back
_SOUND_FADE = 0.005  # seconds, so that nothing clicks


@dataclass(frozen=True)
class Stretch:
    """``start`` and ``end`` in seconds from the first frame; the new sound begins at ``start``."""

    start: float
    end: float

    def holds(self, seconds: float) -> bool:
        """Whether a frame that is first shown then is dubbed."""
        return self.start - 1e-6 <= seconds < self.end - 1e-6

    def weight(self, seconds: float, fps: float) -> float:
        """Of the dubbed picture in a frame of the stretch, in (0, 1]: less at the ends."""
        to_end = self.end - seconds
        from_start = seconds - self.start + 1 / fps if self.start else to_end
        return min(1.0, max(min(from_start, to_end) / (_FADE + 1 / fps), 1e-3))


def find_stretch(options: Options, source: Source, sound: Sound) -> Stretch | None:
    """What ``start`` and ``until`` say; ``None`` where the whole video is dubbed.

    Without ``until`` it lasts as long as the new sound.

    Raises:
        ConfigError: of a still picture.
        MediaError: the video ends before it begins.
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
    """The video's own sound with the new one in the stretch; the codec's name.

    Where the new sound ends before the stretch there is silence, as there is before and behind it
    in a video without sound.

    Raises:
        ConfigError: the sound was to be copied.
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
    blocks = spliced(old, sound.blocks(channels), stretch, channels)
    return EncodedSound(blocks, OUTPUT_RATE, channels, name, bit_rate, fit=True), name


def spliced(
    old: Iterable[np.ndarray], new: Iterable[np.ndarray], stretch: Stretch, channels: int
) -> Iterator[np.ndarray]:
    """Blocks (channels, n) at 48 kHz of a sound with another in a stretch of it, without end."""
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
