"""A shader of the eyes for one frame: blinking lids and a moving iris, over face coordinates."""

from __future__ import annotations

import numpy as np

from lipsync.sample.looks import Look
from lipsync.sample.shading import Array, mix, step

EYE_HALF = 0.135  # half the width of the opening, head units


def shade_eye(
    look: Look, side: int, u: Array, v: Array, blink: float, gaze: tuple[float, float], light: Array
) -> tuple[Array, Array]:
    """Colours (h, w, 3) and coverage (h, w) of one eye; ``side`` is -1 for the left of the image.

    ``blink`` runs from 0 (open) to 1 (shut); ``gaze`` is the iris' shift in head units.
    """
    half = EYE_HALF * look.eye_size
    x = side * (u - side * look.eye_spacing) / half  # +1 at the outer corner
    y = v + look.eye_tilt * x * 0.6
    span = 1 - (x * x).clip(0, 1)
    span = span * (1.35 - 0.35 * span)
    lift = 0.074 * look.eye_size
    # the upper lid peaks a little towards the nose, the lower one towards the temple
    lid = -lift * span * (1 - 0.12 * x) * (1 - blink) + 0.026 * span * blink
    low = 0.040 * look.eye_size * span * (1 + 0.15 * x)
    soft = 0.009
    opening = step(-soft, soft, y - lid) * step(-soft, soft, low - y)
    opening = opening * step(1.02, 0.94, np.abs(x))

    ball = np.array([0.90, 0.88, 0.86], np.float32) * (1 - 0.33 * x**2)[..., None]
    ball = ball * (0.62 + 0.38 * step(-0.01, 0.06, y - lid))[..., None]
    pink = np.exp(-(((x + 0.93) / 0.12) ** 2))
    ball = mix(ball, (0.80, 0.48, 0.44), 0.8 * pink)

    du = u - side * look.eye_spacing - gaze[0]
    dv = y + 0.012 - gaze[1]
    radius = np.hypot(du, dv) / 0.070
    angle = np.arctan2(dv, du)
    spokes = 0.85 + 0.18 * np.sin(17 * angle + 2 * np.sin(5 * angle))
    glow = spokes * (0.75 + 0.45 * step(-0.02, 0.05, dv)) * (1 - 0.55 * step(0.72, 1.0, radius))
    iris = np.asarray(look.iris, np.float32) * glow[..., None]
    iris = mix(iris, (0.02, 0.02, 0.02), step(0.48, 0.38, radius))
    ball = mix(ball, iris * 0.95, step(1.06, 0.94, radius))
    ball = ball * light
    glint = np.exp(-(((du + 0.022) / 0.013) ** 2 + ((dv + 0.026) / 0.013) ** 2))
    ball = mix(ball, (1.0, 1.0, 1.0), 0.85 * glint * step(1.3, 0.9, radius))

    # lashes: a dark line along the upper lid, heavier outside, and a faint one below
    weight = 0.014 if look.masculine else 0.020
    lash = np.exp(-(((y - lid + 0.006) / (weight * (0.8 + 0.25 * x.clip(-1, 1)))) ** 2))
    lash = lash * step(1.10, 0.90, np.abs(x))
    faint = 0.30 * np.exp(-(((y - low) / 0.009) ** 2)) * step(1.0, 0.85, np.abs(x)) * (1 - blink)
    dark = np.maximum(0.92 * lash, faint)
    colour = mix(ball, (0.07, 0.045, 0.04), dark)
    return colour, np.maximum(opening, dark)
