"""Footage with known cuts: generated talking heads, gradients, noise."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from lipsync.sample.corpus import make_clip

SIDE, PEOPLE, LENGTH = 128, 8, 100

Frames = list[np.ndarray]
Planted = tuple[Frames, list[tuple[int, int]]]
"""Frames, uint8 (H, W, 3) RGB, and the first and last frame at which each cut may be found."""


def heads() -> list[Frames]:
    """A clip of each of several people, in different rooms."""
    return [
        list(make_clip(1, person, 0, LENGTH / 25, SIDE).frames)[:LENGTH] for person in range(PEOPLE)
    ]


def cut(a: Frames, b: Frames) -> Planted:
    return [*a[:40], *b[:40]], [(40, 40)]


def dissolve(a: Frames, b: Frames, frames: int) -> Planted:
    mixed = [
        cv2.addWeighted(a[40 + i], 1 - (i + 1) / (frames + 1), b[i], (i + 1) / (frames + 1), 0)
        for i in range(frames)
    ]
    return [*a[:40], *mixed, *b[frames : frames + 40]], [(38, 42 + frames)]


def fade(a: Frames, b: Frames) -> Planted:
    """A fade through black, ten frames on either side."""
    out = [(a[30 + i] * (1 - i / 10)).astype(np.uint8) for i in range(10)]
    back = [(b[i] * (i / 10)).astype(np.uint8) for i in range(10)]
    return [*a[:30], *out, *back, *b[10:45]], [(30, 52)]


def scaled(planted: Planted, gain: float, rng: np.random.Generator) -> Planted:
    frames, cuts = planted
    noisy = [np.clip(f * gain + rng.normal(0, 2, f.shape), 0, 255) for f in frames]
    return [frame.astype(np.uint8) for frame in noisy], cuts


def two_apart(a: Frames, b: Frames, c: Frames) -> Planted:
    return [*a[:40], *b[:2], *c[:40]], [(40, 40), (42, 42)]


def mirrored(a: Frames) -> Planted:
    """A cut to the mirrored view: the same brightness and colours."""
    return [*a[:40], *(f[:, ::-1] for f in a[40:80])], [(40, 40)]


def closer(a: Frames) -> Planted:
    """A cut to a closer view of the same person."""
    low, high = SIDE // 6, SIDE - SIDE // 6
    zoomed = [cv2.resize(f[low:high, low:high], (SIDE, SIDE)) for f in a[40:80]]
    return [*a[:40], *zoomed], [(40, 40)]


def still(frames: Frames) -> Planted:
    return frames, []


def flash(a: Frames, frames: int) -> Planted:
    light = [cv2.addWeighted(f, 0.3, np.full_like(f, 255), 0.7, 0) for f in a[40 : 40 + frames]]
    return [*a[:40], *light, *a[40 + frames : 80]], []


def dimmed(a: Frames) -> Planted:
    gains = np.interp(np.arange(80), [30, 50], [1, 0.35])
    return [(f * g).astype(np.uint8) for f, g in zip(a, gains, strict=False)], []


def flicker(a: Frames, rng: np.random.Generator) -> Planted:
    return [np.clip(f * rng.uniform(0.8, 1.2), 0, 255).astype(np.uint8) for f in a[:80]], []


def panned(people: list[Frames], speed: float) -> Planted:
    """A camera panning over a row of people."""
    wide = np.hstack([one[0] for one in people])
    return [
        cv2.getRectSubPix(wide, (SIDE, SIDE), (SIDE / 2 + speed * i, SIDE / 2)) for i in range(80)
    ], []


def gradient_pan(rng: np.random.Generator, speed: float) -> Planted:
    coarse = rng.integers(0, 256, (4, 24, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (24 * 32, SIDE), interpolation=cv2.INTER_CUBIC)
    return panned([[wide]], speed)


def zoomed(a: Frames) -> Planted:
    def one(f: np.ndarray, scale: float) -> np.ndarray:
        big = cv2.resize(f, None, fx=scale, fy=scale)
        low = (len(big) - SIDE) // 2
        return big[low : low + SIDE, low : low + SIDE]

    return [one(f, 1 + 1.2 * i / 80) for i, f in enumerate(a[:80])], []


def passer_by(a: Frames, rng: np.random.Generator) -> Planted:
    """Somebody dark crosses the picture within a second."""
    coat = rng.integers(10, 60, 3)
    frames = []
    for i, f in enumerate(a[:80]):
        f = f.copy()
        x = int(np.interp(i, [30, 55], [-SIDE * 0.6, SIDE]))
        f[10:, max(0, x) : max(0, x + int(0.55 * SIDE))] = coat
        frames.append(f)
    return frames, []


def shaking(a: Frames, rng: np.random.Generator) -> Planted:
    walk = np.cumsum(rng.normal(0, 4, (80, 2)), 0) * 0.5
    walk = np.clip(walk, -20, 20)
    return [np.roll(f, tuple(np.rint(s).astype(int)), (0, 1)) for f, s in zip(a, walk)], []  # noqa: B905


def kinds(people: list[Frames], seed: int) -> dict[str, Planted]:
    """One clip of every kind."""
    rng = np.random.default_rng(seed)
    a, b, c = (people[i] for i in rng.permutation(len(people))[:3])
    row = [people[i] for i in rng.permutation(len(people))]
    makers: dict[str, Callable[[], Planted]] = {
        "cut": lambda: cut(a, b),
        "cut, dark": lambda: scaled(cut(a, b), 0.12, rng),
        "cuts two frames apart": lambda: two_apart(a, b, c),
        "cut to the mirrored angle": lambda: mirrored(a),
        "cut to a closer view": lambda: closer(a),
        "dissolve of 8 frames": lambda: dissolve(a, b, 8),
        "dissolve of 16 frames": lambda: dissolve(a, b, 16),
        "dissolve of 32 frames": lambda: dissolve(a, b, 32),
        "dissolve of 16, dark": lambda: scaled(dissolve(a, b, 16), 0.15, rng),
        "fade through black": lambda: fade(a, b),
        "one shot": lambda: still(a[:90]),
        "one shot, dark": lambda: scaled(still(a[:90]), 0.12, rng),
        "flash of 1 frame": lambda: flash(a, 1),
        "flash of 3 frames": lambda: flash(a, 3),
        "dimming light": lambda: dimmed(a),
        "flicker": lambda: flicker(a, rng),
        "pan over people, 4 px": lambda: panned(row, 4),
        "pan over people, 10 px": lambda: panned(row, 10),
        "pan over gradients, 4 px": lambda: gradient_pan(rng, 4),
        "zoom": lambda: zoomed(a),
        "passer-by": lambda: passer_by(a, rng),
        "shaking camera": lambda: shaking(a, rng),
    }
    return {name: make() for name, make in makers.items()}
