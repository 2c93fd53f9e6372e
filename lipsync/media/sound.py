"""Sound input and output: float32, on the clock of its video."""

from __future__ import annotations

import io
import wave as wavfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from lipsync.errors import MediaError
from lipsync.media.channels import Resampler
from lipsync.media.files import (
    decoded,
    first_frame,
    naming_target,
    opened,
    stream_seconds,
    whole_file,
)
from lipsync.media.streams import USUAL, Streams

_GAP = 0.015  # seconds; larger jumps of the timestamps are gaps or overlaps


def read_audio(
    path: str | Path,
    sample_rate: int = 16000,
    *,
    tolerate_damage: bool = False,
    streams: Streams = USUAL,
) -> np.ndarray:
    """Read a file's sound as float32 (n,), mono, in [-1, 1]: all of :func:`audio_blocks`."""
    how: dict[str, Any] = {"tolerate_damage": tolerate_damage, "streams": streams}
    blocks = [block[0] for block in audio_blocks(path, sample_rate, **how)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def audio_blocks(
    path: str | Path,
    sample_rate: int = 16000,
    *,
    channels: int = 1,
    tolerate_damage: bool = False,
    streams: Streams = USUAL,
) -> Iterator[np.ndarray]:
    """Stream a file's sound as float32 (channels, n) blocks of at most a second, in [-1, 1].

    Channels are mixed by :class:`~lipsync.media.channels.Resampler`. If the file has video, sample
    0 is the time of its first frame: earlier sound is cut, and a late start, like any gap in the
    timestamps, is silence. Where sound overlaps, the first to arrive is kept.

    Args:
        path: any file that holds sound.
        sample_rate: sample rate of the blocks in Hz.
        channels: 1 (mono), 2 (stereo) or 6 (5.1).
        tolerate_damage: enable error concealment.
        streams: the audio track to read, and the video track whose first frame is time 0.

    Raises:
        MediaError: unreadable, no sound, or damaged (the message says at which second); NaN and
            infinity count as damage, and are concealed by silence.
    """
    path = Path(path)
    first = first_frame(path, streams)
    with opened(path) as container:
        stream = streams.audio_of(path, container)
        if stream is None:
            raise MediaError(path, "has no sound", "name a file with sound")
        length = stream_seconds(stream, container)
        runs = _runs(path, container, stream, sample_rate, channels, tolerate_damage)
        time, _ = begin = next(runs, (0.0, None))
        if begin[1] is None:
            raise MediaError(path, "no sample of its sound can be decoded", "export it again")
        origin = first[0] if first else time
        # A codec pads its last block (AAC: 1024 samples); the container knows the true end.
        end = round((time + length - origin) * sample_rate)
        padding = int(2048 * sample_rate / stream.codec_context.sample_rate)
        placed = _place_on_clock(chain([begin], runs), origin, sample_rate)
        yield from _without_padding(placed, end, padding)


def _runs(
    path: Path,
    container: av.container.InputContainer,
    stream: av.AudioStream,
    sample_rate: int,
    channels: int,
    tolerant: bool,
) -> Iterator[tuple[float | None, np.ndarray]]:
    """Resampled blocks with their time at the start of each gapless run, else ``None``."""
    resampler, expected, begins, kind = None, None, None, None

    def resample(frame: av.AudioFrame | None) -> Iterator[tuple[float | None, np.ndarray]]:
        nonlocal begins
        if resampler is not None and (block := resampler.resample(frame)).size:
            yield begins, block
            begins = None

    for frame in decoded(path, container, stream, tolerant=tolerant):
        time = frame.time if frame.time is not None else expected or 0.0
        now = frame.format.name, frame.layout.name, frame.sample_rate
        if now != kind or abs(time - expected) > _GAP:
            yield from resample(None)
            kind = now
            resampler = Resampler(path, sample_rate, channels)
            begins = expected = time
        expected += frame.samples / frame.sample_rate
        frame = _check_finite(path, frame, time, tolerant)
        frame.pts = None
        yield from resample(frame)
    yield from resample(None)


def _place_on_clock(
    runs: Iterable[tuple[float | None, np.ndarray]], origin: float, sample_rate: int
) -> Iterator[np.ndarray]:
    """Runs placed on a clock that starts at ``origin``: silence in gaps, overlaps cut."""
    sent, at = 0, 0
    for time, block in runs:
        if time is not None:
            at = round((time - origin) * sample_rate)
        while at > sent:
            hole = min(at - sent, sample_rate)
            yield np.zeros((len(block), hole), np.float32)
            sent += hole
        fresh = block[:, max(0, sent - at) :]
        at += block.shape[1]
        if fresh.size:
            yield fresh
            sent += fresh.shape[1]


def _without_padding(blocks: Iterable[np.ndarray], end: int, padding: int) -> Iterator[np.ndarray]:
    """Cut what lies beyond ``end`` if it is no longer than a codec's ``padding``."""
    sent, held = 0, []
    for block in blocks:
        room = max(0, end - sent) if end > 0 else block.shape[1]
        if not held and block.shape[1] <= room:
            yield block
            sent += block.shape[1]
            continue
        held.append(block)
        if sum(b.shape[1] for b in held) > room + padding:  # real sound after all
            yield from held
            held, end = [], 0
    for block in held:
        block = block[:, : max(0, end - sent)]
        sent += block.shape[1]
        if block.size:
            yield block


def _check_finite(path: Path, frame: av.AudioFrame, time: float, tolerant: bool) -> av.AudioFrame:
    """A frame without NaN or infinity, which float WAV allows: they raise, or are silenced."""
    if not frame.format.name.startswith(("flt", "dbl")):
        return frame
    samples = frame.to_ndarray()
    if np.isfinite(samples).all():
        return frame
    if not tolerant:
        raise MediaError(
            path,
            f"its sound contains NaN or infinity at about {time:.2f} s",
            "export it again, or allow damage to be concealed",
        )
    clean = av.AudioFrame.from_ndarray(
        np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0),
        format=frame.format.name,
        layout=frame.layout.name,
    )
    clean.sample_rate = frame.sample_rate
    return clean


def write_audio(path: str | Path, wave: np.ndarray, sample_rate: int = 16000) -> None:
    """Write float32 (n,) in [-1, 1] as a 16-bit mono WAV file, atomically."""
    with whole_file(path) as temporary, naming_target(path), temporary.open("wb") as file:
        _write_wav(file, wave, sample_rate)


def wav_bytes(wave: np.ndarray, sample_rate: int = 16000) -> bytes:
    """The content of the file that :func:`write_audio` writes."""
    file = io.BytesIO()
    _write_wav(file, wave, sample_rate)
    return file.getvalue()


def _write_wav(target: BinaryIO, wave: np.ndarray, sample_rate: int) -> None:
    samples = np.clip(np.round(clean_wave(wave) * 32768), -32768, 32767).astype("<i2")
    with wavfile.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())


def clean_wave(wave: np.ndarray) -> np.ndarray:
    """float32 (n,) in [-1, 1], NaN and infinity silenced."""
    wave = np.asarray(wave, np.float32)
    if wave.ndim != 1:
        raise ValueError(f"wave must be mono (n,), got shape {wave.shape}")
    return np.clip(np.nan_to_num(wave, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
