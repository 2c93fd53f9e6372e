"""The test card shown by every kind of media, and measurements on it wherever it is read.

320 x 240: a generated head in the middle, and beside it four colours, a disc, and a patch that
turns white when a tone begins.
"""

from __future__ import annotations

import numpy as np

from lipsync.sample.corpus import make_clip

WIDTH, HEIGHT, SECONDS, FPS, RATE = 320, 240, 1.2, 25, 48_000
BEGIN = 0.48  # seconds; the patch turns white and the tone begins
COLOURS = np.array([(180, 60, 50), (60, 150, 70), (60, 80, 170), (128, 128, 128)], np.uint8)
CENTRE, RADIUS = (300, 120), 15  # of the disc


class Card:
    """The frames and the sound, generated once for all kinds."""

    def __init__(self) -> None:
        made = make_clip(0, 0, 0, SECONDS, HEIGHT)
        self.heads = list(made.frames)
        time = np.arange(round(SECONDS * RATE)) / RATE
        wave = np.interp(time, np.arange(len(made.wave)) / 16_000, made.wave)
        wave[(time > BEGIN - 0.1) & (time < BEGIN + 0.15)] = 0
        tone = (time >= BEGIN) & (time < BEGIN + 0.08)
        wave[tone] = 0.8 * np.sin(2 * np.pi * 1500 * (time[tone] - BEGIN))
        self.wave = wave.astype(np.float32)
        """float32 (n,) at 48 kHz."""

    def frame(self, seconds: float) -> np.ndarray:
        """The picture at a time in seconds, uint8 (240, 320, 3)."""
        picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
        picture[:, 40:280] = self.heads[min(len(self.heads) - 1, int(seconds * FPS + 1e-6))]
        for number, colour in enumerate(COLOURS):
            picture[60 * number : 60 * number + 60, :40] = colour
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        picture[(x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 <= RADIUS**2] = 10
        picture[:60, 280:] = 235 if seconds > BEGIN - 0.004 else 20
        return picture


def flash(frames: list[tuple[float, np.ndarray]]) -> float | None:
    """Seconds from the first frame until the patch turns white."""
    for time, frame in frames:
        if frame[15:45, 290:310].mean() > 128:
            return time - frames[0][0]
    return None


def tone(wave: np.ndarray, rate: int = 16_000) -> float:
    """Seconds until the tone begins, to within half a millisecond."""
    swing = wave * np.exp(2j * np.pi * 1500 * np.arange(len(wave)) / rate)
    width = rate // 125  # 8 ms
    level = np.abs(np.convolve(swing, np.ones(width) / width, "valid"))
    return float((np.argmax(level > 0.5 * level.max()) + width / 2) / rate)


def roundness(frame: np.ndarray) -> tuple[float, float]:
    """The disc's width divided by its height, and the offset of its centre in pixels."""
    part = frame[80:160, 282:318].mean(axis=2) < 105
    rows, columns = np.nonzero(part)
    if not len(rows):
        return 0.0, 99.0
    off = np.hypot(columns.mean() + 282 - CENTRE[0], rows.mean() + 80 - CENTRE[1])
    wide = np.sqrt(columns.var() / max(rows.var(), 1e-9))
    return float(wide), float(off)


def colour_error(frame: np.ndarray) -> float:
    """Largest error of any channel over the four colours."""
    found = [frame[60 * n + 15 : 60 * n + 45, 10:30].mean(axis=(0, 1)) for n in range(4)]
    return float(np.abs(np.array(found) - COLOURS).max())
