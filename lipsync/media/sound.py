"""Sound in and out: float32 mono, on the clock of the video that it belongs to."""

from __future__ import annotations

import wave as wavfile
from pathlib import Path

import av
import numpy as np

from lipsync.errors import MediaError
from lipsync.media.files import (
    decoded,
    first_frame,
    naming_target,
    opened,
    stream_seconds,
    whole_file,
)

_GAP = 0.015  # seconds; timestamps of sound that jump by more are a hole or an overlap


def read_audio(
    path: str | Path, sample_rate: int = 16000, *, tolerate_damage: bool = False
) -> np.ndarray:
    """Read a file's sound as float32 (n,), mono, in [-1, 1], at ``sample_rate``.

    Channels are mixed by ffmpeg's normalised matrix (equal channels keep their level). When the
    file has video, sample 0 is the time of its first frame: earlier sound is cut and a late start,
    like any hole in the timestamps, is silence.

    Raises:
        MediaError: not readable, no sound, or damaged (the message says at which second).
    """
    path = Path(path)
    first = first_frame(path)
    pieces: list[tuple[float, list[np.ndarray]]] = []  # runs without a hole: (seconds, blocks)
    with opened(path) as container:
        if not container.streams.audio:
            raise MediaError(path, "has no sound", "name a file with sound")
        stream = container.streams.audio[0]
        length = stream_seconds(stream, container)
        resampler, expected = None, None
        for frame in decoded(path, container, stream, tolerant=tolerate_damage):
            time = frame.time if frame.time is not None else expected or 0.0
            if expected is None or abs(time - expected) > _GAP:
                _drain(resampler, pieces)
                # s32: the integer target makes ffmpeg normalise the mix of channels
                resampler = av.AudioResampler(format="s32", layout="mono", rate=sample_rate)
                pieces.append((time, []))
                expected = time
            expected += frame.samples / frame.sample_rate
            frame = _finite(frame)
            frame.pts = None
            pieces[-1][1].extend(out.to_ndarray()[0] for out in resampler.resample(frame))
        _drain(resampler, pieces)
    if not pieces:
        raise MediaError(path, "no sample of its sound can be decoded", "export it again")
    origin = first[0] if first else pieces[0][0]
    wave = _assemble(pieces, origin, sample_rate)
    # A codec pads its last block (1024 samples of AAC); the container knows the true end.
    end = round((pieces[0][0] + length - origin) * sample_rate)
    padded = 0 < len(wave) - end <= 2048 * sample_rate / stream.codec_context.sample_rate
    return wave[:end] if padded and end > 0 else wave


def _drain(resampler: av.AudioResampler | None, pieces: list[tuple[float, list]]) -> None:
    if resampler is not None:
        pieces[-1][1].extend(out.to_ndarray()[0] for out in resampler.resample(None))


def _finite(frame: av.AudioFrame) -> av.AudioFrame:
    """Replace NaN and infinity, which a float WAV may hold, by silence."""
    if not frame.format.name.startswith(("flt", "dbl")):
        return frame
    samples = frame.to_ndarray()
    if np.isfinite(samples).all():
        return frame
    clean = av.AudioFrame.from_ndarray(
        np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0),
        format=frame.format.name,
        layout=frame.layout.name,
    )
    clean.sample_rate = frame.sample_rate
    return clean


def _assemble(
    pieces: list[tuple[float, list[np.ndarray]]], origin: float, sample_rate: int
) -> np.ndarray:
    """Lay runs of samples out on one clock that begins at ``origin``."""
    runs = [(round((t - origin) * sample_rate), np.concatenate(b)) for t, b in pieces if b]
    end = max((at + len(run) for at, run in runs), default=0)
    wave = np.zeros(max(end, 0), np.float32)
    for at, run in runs:
        run = run[max(0, -at) :]
        at = max(0, at)
        wave[at : at + len(run)] = run / np.float32(2**31)
    return wave


def write_audio(path: str | Path, wave: np.ndarray, sample_rate: int = 16000) -> None:
    """Write float32 (n,) in [-1, 1] as a 16-bit mono WAV file, whole or not at all."""
    samples = np.clip(np.round(clean_wave(wave) * 32768), -32768, 32767).astype("<i2")
    with (
        whole_file(path) as temporary,
        naming_target(path),
        wavfile.open(str(temporary), "wb") as file,
    ):
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
