"""The new audio: measured once, then streamed as input of the generator and as soundtrack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.dubbing.gate import VoiceGate, min_speech_db
from lipsync.errors import ConfigError, MediaError
from lipsync.features import Feature
from lipsync.media import (
    AUDIO_CODECS,
    USUAL_CODEC,
    CopiedSound,
    EncodedSound,
    Soundtrack,
    audio_blocks,
    can_copy,
    sound_channels,
)
from lipsync.media.loudness import FLOOR_DB, Loudness
from lipsync.media.programme import plan_loudness_change
from lipsync.media.streams import USUAL, Streams

OUTPUT_RATE = 48_000  # sample rate of encoded audio
AUDIO_CHOICES = ("auto", "copy", *AUDIO_CODECS)
_PEAK = 0.99  # maximum peak of a mix
_MIX_BLOCK = 4800  # block size of a mix
_END_TOLERANCE = 0.02  # tolerance in seconds between the ends of video and audio


@dataclass(frozen=True)
class Sound:
    """The audio of a file.

    Attributes:
        path: an audio file, or a video with sound.
        seconds: length.
        gain_db: gain for the generator's input, see :meth:`Loudness.gain_db`.
        min_speech_db: minimum level of speech after the gain, see :class:`VoiceGate`.
        silent: whether it never rises above ``FLOOR_DB``; the mouth rests throughout.
        tolerate_damage: enable error concealment.
        streams: track of the file.
        mixed: further audio files that are mixed in.
        scale: factor on the mix, to prevent clipping.
    """

    path: Path
    seconds: float
    gain_db: float
    min_speech_db: float
    silent: bool = False
    tolerate_damage: bool = False
    streams: Streams = USUAL
    mixed: tuple[Path, ...] = ()
    scale: float = 1.0

    def input_blocks(self, gate: bool, endless: bool = False) -> Iterator[np.ndarray]:
        """Blocks float32 (n,) at 16 kHz, as input of the generator.

        Args:
            gate: replace everything but speech by silence, see :class:`VoiceGate`.
            endless: follow with endless silence.
        """
        gain = np.float32(10 ** (self.gain_db / 20))
        how: dict[str, Any] = {"tolerate_damage": self.tolerate_damage, "streams": self.streams}
        read = audio_blocks(self.path, SAMPLE_RATE, **how)
        blocks: Iterator[np.ndarray] = (block[0] * gain for block in read)
        if gate and self.silent:
            blocks = map(np.zeros_like, blocks)
        elif gate:
            voice = VoiceGate(self.min_speech_db)
            blocks = chain(map(voice.push, blocks), _finish_gate(voice))
        if endless:
            blocks = chain(blocks, repeat(np.zeros(SAMPLE_RATE, np.float32)))
        return blocks

    def channels(self, codec: str) -> int:
        """Number of output channels: one, two or six."""
        own = sound_channels(self.path, codec, self.streams)
        return max(own, *(sound_channels(path, codec) for path in self.mixed), 0)

    def blocks(self, channels: int) -> Iterator[np.ndarray]:
        """Blocks of the soundtrack, float32 (channels, n) at ``OUTPUT_RATE``."""
        how: dict[str, Any] = {"channels": channels, "tolerate_damage": self.tolerate_damage}
        every = [audio_blocks(self.path, OUTPUT_RATE, streams=self.streams, **how)]
        every += [audio_blocks(path, OUTPUT_RATE, **how) for path in self.mixed]
        return every[0] if not self.mixed else mix(every, channels, self.scale)

    def check(self, feature: Feature) -> None:
        """Raise MediaError if it is shorter than one window of the generator's feature."""
        least = (feature.window - 1) / feature.rate
        if self.seconds < least:
            problem = (
                f"its sound lasts {self.seconds:.2f} s, but a {feature.name} window needs "
                f"{least:.2f} s"
            )
            raise MediaError(self.path, problem, "use a longer recording")

    def track(
        self,
        target: Path,
        picture_seconds: float | None,
        codec: str,
        bit_rate: int | None,
        loudness: float | None = None,
        played_seconds: float = float("inf"),
    ) -> tuple[Soundtrack, str]:
        """The soundtrack of a video, and a description: "copied", or the codec's name and any
        change of loudness.

        Args:
            target: the output video.
            picture_seconds: expected length of the video, if known.
            codec: one of ``AUDIO_CHOICES``. "auto" copies if the container supports the codec and
                audio and video end within 20 ms of each other, and otherwise encodes AAC.
            bit_rate: bit rate of encoded audio.
            loudness: target loudness in LUFS.
            played_seconds: seconds that are played, over which loudness is measured.

        Raises:
            ConfigError: ``codec`` is "copy", and the audio cannot be copied.
        """
        fits = picture_seconds is not None and abs(picture_seconds - self.seconds) <= _END_TOLERANCE
        copyable = not self.mixed and can_copy(self.path, target, self.streams)
        plain = bit_rate is None and loudness is None
        if codec in ("auto", "copy") and plain and fits and copyable:
            return CopiedSound(self.path, self.streams), "copied"
        if codec == "copy":
            reason = f"{target.suffix} cannot hold its codec"
            if self.mixed:
                reason = "it is mixed with other sounds"
            elif bit_rate is not None:
                reason = "a copy keeps its own bit rate"
            elif not fits:
                reason = "it does not end with the picture"
            raise ConfigError(f"the sound of {self.path} cannot be copied: {reason}; use auto")
        name = USUAL_CODEC.get(target.suffix.lower(), "aac") if codec == "auto" else codec
        channels = self.channels(name)
        blocks, description = self.blocks(channels), name
        if loudness is not None:
            level = plan_loudness_change(
                lambda: _first_seconds(self.blocks(channels), played_seconds), OUTPUT_RATE, loudness
            )
            description = f"{name}, {level or 'silent or too short, so as loud as it is'}"
            blocks = level.apply(blocks, OUTPUT_RATE) if level is not None else blocks
        return EncodedSound(blocks, OUTPUT_RATE, channels, name, bit_rate, fit=True), description


def _first_seconds(blocks: Iterable[np.ndarray], seconds: float) -> Iterator[np.ndarray]:
    """The first ``seconds`` of audio at ``OUTPUT_RATE``."""
    left = seconds * OUTPUT_RATE
    for block in blocks:
        yield block[:, : int(min(left, block.shape[1]))]
        left -= block.shape[1]
        if left < 1:
            return


def _finish_gate(gate: VoiceGate) -> Iterator[np.ndarray]:
    yield gate.finish()


def measure(path: Path, tolerate_damage: bool = False, streams: Streams = USUAL) -> Sound:
    """Measure audio in one streaming pass.

    Raises:
        MediaError: it cannot be read.
    """
    samples, loudness, loudest = 0, Loudness(path), 0.0
    how: dict[str, Any] = {"tolerate_damage": tolerate_damage, "streams": streams}
    for block in audio_blocks(path, SAMPLE_RATE, **how):
        samples += block.shape[1]
        loudness.push(block[0])
        loudest = max(loudest, float(np.abs(block).max()))
    silent = loudest < 10 ** (FLOOR_DB / 20)
    gain = loudness.gain_db()
    levels = loudness.percentiles(gain)
    least = FLOOR_DB if levels is None else min_speech_db(*levels)
    return Sound(path, samples / SAMPLE_RATE, gain, least, silent, **how)


def measure_mix(sounds: Sequence[Sound]) -> Sound:
    """A mix of several sounds, as long as the longest, and attenuated if it would clip.

    Raises:
        MediaError: one cannot be read.
    """
    first, *others = sounds
    if not others:
        return first
    silent, seconds = all(s.silent for s in sounds), max(s.seconds for s in sounds)
    mixed = replace(first, mixed=tuple(s.path for s in others), silent=silent, seconds=seconds)
    loudest = max((float(np.abs(block).max()) for block in mixed.blocks(1)), default=0.0)
    return replace(mixed, scale=min(1.0, _PEAK / max(loudest, _PEAK)))


def mix(
    sounds: Sequence[Iterable[np.ndarray]], channels: int, scale: float = 1.0
) -> Iterator[np.ndarray]:
    """Sum of sounds that start together, in blocks (channels, n), until all have ended."""
    queues = [Reader(blocks, channels) for blocks in sounds]
    while any(queue.has_more() for queue in queues):
        yield np.float32(scale) * np.sum([q.take(_MIX_BLOCK) for q in queues], axis=0)


class Reader:
    """Reads blocks (channels, n) in pieces of any size, with silence after the end."""

    def __init__(self, blocks: Iterable[np.ndarray], channels: int) -> None:
        self._blocks, self._channels = iter(blocks), channels
        self._rest = np.zeros((channels, 0), np.float32)

    def has_more(self) -> bool:
        """Whether there are more samples."""
        while not self._rest.shape[1]:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._rest = block
        return True

    def take(self, count: int) -> np.ndarray:
        """The next ``count`` samples."""
        parts, missing = [], count
        while missing and self.has_more():
            parts.append(self._rest[:, :missing])
            self._rest = self._rest[:, missing:]
            missing -= parts[-1].shape[1]
        return np.concatenate([*parts, np.zeros((self._channels, missing), np.float32)], axis=1)
