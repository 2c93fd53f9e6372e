"""Lips, teeth and tongue for one frame, as a shader over face coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lipsync.sample.looks import Look
from lipsync.sample.shading import Array, bump, mix, step

MOUTH_V = 0.62  # where the closed lips meet, head units
CHIN_DROP = 0.15  # how far the chin falls when the jaw is open, head units
TEETH_EDGE = 0.038  # the upper teeth end this far below the closed lips' line


@dataclass(frozen=True)
class Pose:
    """The geometry that one articulation gives one mouth (lengths in head units)."""

    half_width: float
    upper: float  # rise of the upper lip's edge over the closed line
    lower: float  # fall of the lower lip's edge
    plump: float  # factor on lip thickness
    jaw: float
    rounded: float
    tuck: float
    tongue: float


def mouth_pose(mouth: Array, look: Look) -> Pose:
    """Geometry from the articulation ``mouth`` (7,), see ``speech.MOUTH``."""
    jaw, part, width, rounded, tuck, tongue, closed = (float(x) for x in mouth)
    opening = (0.235 * jaw + 0.10 * part) * (1 - 0.30 * rounded) * (1 - closed)
    half = 0.265 * look.mouth_width * (1 + 0.20 * width * (1 - rounded) - 0.44 * rounded)
    half *= 1 - 0.08 * jaw * (1 - rounded)
    upper = 0.20 * opening + 0.035 * tuck
    lower = 0.80 * opening
    lower = lower * (1 - tuck) + tuck * (TEETH_EDGE - 0.012)
    # pressed lips roll inwards, rounded ones come forward, spread ones thin out
    plump = 1 - 0.30 * closed + 0.30 * rounded - 0.13 * max(width, 0.0) - 0.12 * jaw
    return Pose(half, upper, lower, plump, jaw, rounded, tuck, tongue)


def jaw_drop(pose: Pose, u: Array, v: Array) -> Array:
    """How far the skin at (u, v) has moved down with the jaw, head units."""
    amount = CHIN_DROP * pose.jaw + 0.25 * max(0.0, pose.lower - 0.80 * 0.235 * pose.jaw)
    return amount * step(0.42, 0.86, v) * step(0.85, 0.40, np.abs(u))


def shade_mouth(pose: Pose, look: Look, u: Array, v: Array, light: Array) -> tuple[Array, Array]:
    """Colours (h, w, 3) in sRGB [0, 1] and coverage (h, w) of the mouth at face positions.

    ``u`` and ``v`` are (h, w) in head units; ``light`` (h, w, 3) multiplies the colours.
    """
    v = v - (MOUTH_V + look.mouth_height)
    x = u / pose.half_width
    inside_x = np.abs(x).clip(0, 1)
    square = inside_x * inside_x
    # the opening's outline, 1 in the middle: between a parabola and an ellipse
    arch = 0.5 * (1 - square) + 0.5 * np.sqrt(1 - square)
    soft = 0.010
    # the closed line dips a little under the bow; its corners sink when the jaw opens
    middle = 0.006 * np.exp(-((x / 0.25) ** 2)) + (0.22 * pose.lower - 0.013) * square
    top, bottom = middle - pose.upper * arch, middle + pose.lower * arch
    full = look.lip_full * pose.plump
    bow = (1 - square * inside_x) * (1 - 0.20 * np.exp(-((x / 0.16) ** 2))) * (1 - 0.28 * inside_x)
    outer_top = top - 0.088 * full * bow
    thick = 0.105 * full * (1 - 0.45 * pose.tuck)
    outer_bottom = bottom + thick * arch

    lip = _lips(look, pose, x, v, (outer_top, top, bottom, outer_bottom), light)
    inner = _inside(pose, u, v, x, top, bottom, light)
    gap = step(-soft, soft, v - top) * step(-soft, soft, bottom - v)
    gap = gap * step(1.0, 0.93, np.abs(x))
    colour = mix(lip, inner, gap)
    # the line where closed lips meet, and shade in the corners
    line = np.exp(-(((v - 0.5 * (top + bottom)) / 0.011) ** 2)) * step(1.02, 0.8, np.abs(x))
    crease = line * (0.75 if pose.upper + pose.lower < 0.02 else 0.25)
    corner = np.exp(-(((np.abs(x) - 0.98) / 0.09) ** 2 + ((v - middle) / 0.022) ** 2))
    colour = colour * (1 - np.maximum(0.55 * crease, 0.5 * corner))[..., None]

    edge = 0.017  # lips melt into the skin
    cover = step(-edge, edge, v - outer_top) * step(-edge, edge, outer_bottom - v)
    cover = np.maximum(cover * step(1.03, 0.90, np.abs(x)), np.maximum(gap, 0.6 * corner))
    return colour, cover


def _lips(
    look: Look, pose: Pose, x: Array, v: Array, edges: tuple[Array, ...], light: Array
) -> Array:
    """The lips as two soft rolls: position across each decides its light."""
    outer_top, top, bottom, outer_bottom = edges
    up = ((v - outer_top) / np.maximum(top - outer_top, 1e-3)).clip(0, 1)
    low = ((v - bottom) / np.maximum(outer_bottom - bottom, 1e-3)).clip(0, 1)
    is_upper = v < 0.5 * (top + bottom)
    # the upper lip faces down and is darker; the lower one catches light on its roll
    upper_light = 0.92 - 0.26 * up + 0.10 * np.exp(-(((up - 0.1) / 0.16) ** 2))
    lower_light = 0.86 + 0.24 * np.exp(-(((low - 0.38) / 0.26) ** 2)) - 0.28 * low * low
    folds = 1 + 0.035 * np.sin(23 * x + 3 * np.sin(5 * x)) * step(1.0, 0.5, np.abs(x))
    value = np.where(is_upper, upper_light, lower_light) * folds
    colour = np.asarray(look.lip, np.float32) * value[..., None] * light
    wet = np.exp(-(((low - 0.36) / 0.12) ** 2) - (((x - 0.08) / 0.32) ** 2)) * ~is_upper
    return colour + (0.13 * wet)[..., None]


def _inside(
    pose: Pose, u: Array, v: Array, x: Array, top: Array, bottom: Array, light: Array
) -> Array:
    """Cavity, tongue, lower and upper teeth, from back to front."""
    shape = u.shape
    colour = np.broadcast_to(np.array([0.20, 0.055, 0.05], np.float32), (*shape, 3))
    colour = colour * (0.5 + 0.7 * step(0.0, 0.25, v))[..., None]
    fall = 0.17 * pose.jaw
    # tongue: lies behind the lower teeth, its tip rises to the upper ones for l, t, d, n
    tip = 0.085 + 0.65 * fall - (0.055 + 0.5 * fall) * pose.tongue
    tongue = step(0.02, -0.02, np.hypot(u / 0.155, (v - tip - 0.07) / 0.085) - 1)
    shade = (
        0.85
        + 0.3 * bump(u, v, (0.0, tip + 0.02), (0.08, 0.03))
        - 0.15 * np.exp(-((u / 0.012) ** 2))
    )
    colour = (
        mix(colour, np.array([0.74, 0.36, 0.36], np.float32), 0.9 * tongue)
        * (np.where(tongue > 0.5, shade, 1.0)[..., None])
    )
    ivory = np.array([0.93, 0.90, 0.84], np.float32)
    curve = 1 - 0.55 * (np.abs(u) / 0.25).clip(0, 1) ** 2  # the arch turns away at the sides
    seams = 1 - 0.16 * np.exp(-(((u / 0.062 - np.round(u / 0.062 - 0.5) - 0.5) / 0.07) ** 2))
    for upper in (False, True):
        if upper:
            edge = TEETH_EDGE - 0.035 * (u / 0.2) ** 2
            cover = step(0.008, -0.008, v - edge)
        else:
            edge = TEETH_EDGE + 0.012 + fall + 0.04 * (u / 0.2) ** 2
            cover = step(-0.008, 0.008, v - edge) * (0.75 if pose.jaw < 0.25 else 0.6)
        # rounded lips stand in front of the teeth and leave them in the dark
        cover = cover * step(0.245, 0.20, np.abs(u)) * (1 - 0.85 * pose.rounded)
        colour = mix(colour, ivory * (curve * seams)[..., None], cover)
    # lips cast shade into the mouth
    shadow = 0.45 + 0.55 * step(0.0, 0.05, v - top) * step(-0.004, 0.03, bottom - v)
    shadow = shadow * (1 - 0.55 * np.abs(x).clip(0, 1) ** 2)
    return colour * shadow[..., None] * (0.25 + 0.75 * light)
