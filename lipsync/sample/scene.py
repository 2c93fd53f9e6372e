"""The scene around the head: an out-of-focus room, and neck, shoulders and clothes."""

from __future__ import annotations

import cv2
import numpy as np

from lipsync.sample.looks import Look
from lipsync.sample.shading import Array, Light, lit, mix, noise, normals, step


def bake_background(rng: np.random.Generator, size: int) -> Array:
    """A blurred room in float32 RGB (size, size, 3): a wall, its light, a few soft shapes."""
    v, u = np.mgrid[0:size, 0:size].astype(np.float32) / size
    hue, value = rng.uniform(0, 1), rng.uniform(0.35, 0.72)
    wall = _hue(hue, rng.uniform(0.05, 0.30), value)
    scene = np.broadcast_to(wall, (size, size, 3)).copy()
    for _ in range(int(rng.integers(3, 7))):
        x, y, w, h = (
            rng.uniform(0, 1),
            rng.uniform(0, 0.8),
            rng.uniform(0.08, 0.35),
            rng.uniform(0.2, 0.7),
        )
        colour = _hue(rng.uniform(0, 1), rng.uniform(0.1, 0.4), value * rng.uniform(0.6, 1.35))
        box = step(w / 2, w / 2 - 0.02, np.abs(u - x)) * step(h / 2, h / 2 - 0.02, np.abs(v - y))
        scene = mix(scene, colour, 0.7 * box)
    scene = cv2.GaussianBlur(scene, (0, 0), size * rng.uniform(0.02, 0.05))
    lamp = np.exp(-((u - rng.uniform(0, 1)) ** 2 + (v - rng.uniform(-0.2, 0.4)) ** 2) / 0.35)
    return (scene * (0.72 + 0.4 * lamp)[..., None]).clip(0, 1).astype(np.float32)


def _hue(hue: float, saturation: float, value: float) -> Array:
    wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return (min(value, 1.0) * (1 - saturation * (1 - wheel))).astype(np.float32)


def bake_body(
    look: Look,
    light: Light,
    rng: np.random.Generator,
    size: int,
    unit: float,
    origin: tuple[float, float],
) -> Array:
    """Neck, shoulders and shirt: premultiplied float32 RGBA (size, size, 4) at frame scale.

    ``unit`` is pixels per head unit and ``origin`` (x, y) the pixel of the face's middle.
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    u, v = (x + 0.5 - origin[0]) / unit, (y + 0.5 - origin[1]) / unit
    a, pixel = np.abs(u), 1.0 / unit

    # the neck, a shaded cylinder under the jaw's shadow
    neck_half = (0.44 if look.masculine else 0.35) * (1 + 0.25 * step(1.05, 1.45, v))
    roll = (a / neck_half).clip(0, 1) * step(1.42, 1.10, v)  # flattens into the chest
    muscle = 0.02 * np.exp(-(((a - 0.16 - 0.1 * (1.4 - v)) / 0.05) ** 2))
    height = (0.40 * np.sqrt(1 - 0.96 * roll**2) + muscle).astype(np.float32)
    skin = np.broadcast_to(np.asarray(look.skin, np.float32), (*u.shape, 3)) * 0.94
    neck = lit(skin, normals(height, unit), light.key, light.warmth, 0.02) * light.strength
    shadow = 0.52 * step(1.28, 0.95, v + 0.10 * u * np.sign(light.key[0]))
    neck = neck * (1 - shadow)[..., None]
    neck_cover = step(pixel, -pixel, a - neck_half) * step(0.3, 0.4, v)

    # shoulders: a soft slope from the neck's foot
    span = 1.55 if look.masculine else 1.30
    slope = 1.20 + 0.30 * ((a - 0.36).clip(0) / 0.7) ** 1.3 + 1.2 * (a - span).clip(0) ** 2 * 4
    cloth_v = v - slope
    folds = 0.05 * noise(rng, u.shape, (unit * 0.6, unit * 0.25))
    folds = folds + 0.014 * noise(rng, u.shape, (unit * 0.3, unit * 0.10))
    volume = 0.55 * np.sqrt((cloth_v.clip(0, 0.8) / 0.8).clip(1e-4)) - 0.12 * a**2
    normal = normals((volume + folds).astype(np.float32), unit)
    shirt = np.asarray(look.shirt, np.float32)
    weave = 1 + 0.05 * noise(rng, u.shape, (1.5, 1.5))
    plain = np.broadcast_to(shirt, (*u.shape, 3)) * weave[..., None]
    inner = np.array([0.86, 0.86, 0.88], np.float32)  # the shirt under a jacket
    cloth, opening = _collar(look, plain, inner, u, v)
    cloth = lit(cloth.astype(np.float32), normal, light.key, light.warmth) * light.strength * 0.95
    rim = np.exp(-(((opening - 0.0) / 0.022) ** 2))
    cloth = cloth * (1 - 0.30 * rim)[..., None]
    cloth_cover = step(-pixel, pixel, cloth_v) * step(-pixel, pixel, opening)

    neck_cover = np.maximum(neck_cover, step(-pixel, pixel, cloth_v) * (v > 1.1))  # chest skin
    out = np.concatenate([neck * neck_cover[..., None], neck_cover[..., None]], axis=-1)
    top = np.concatenate([cloth * cloth_cover[..., None], cloth_cover[..., None]], axis=-1)
    return (top + out * (1 - cloth_cover[..., None])).clip(0, 1).astype(np.float32)


def _collar(look: Look, plain: Array, inner: Array, u: Array, v: Array) -> tuple[Array, Array]:
    """Cloth colour, and how far (head units) each point lies outside the neck opening."""
    a = np.abs(u)
    wide = 0.46 if look.masculine else 0.40
    crew = np.hypot(u / wide, (v - 1.12) / 0.30) - 1
    vee = a - wide * (1 - (v - 1.15) / 0.75).clip(0, 1)
    if look.collar == "crew":
        return plain, crew * 0.3
    if look.collar == "vee":
        return plain, vee * 0.7
    if look.collar == "shirt":
        flap = step(0.02, -0.02, np.abs(a - wide - 0.02 + 0.55 * (v - 1.3)) - 0.11)
        flap = flap * step(1.66, 1.62, v + 0.3 * a)
        placket = 1 - 0.25 * np.exp(-((u / 0.015) ** 2)) * step(1.5, 1.55, v)
        return plain * ((0.92 + 0.16 * flap) * placket)[..., None], vee * 0.7 - 0.01
    lapel = step(-0.02, 0.02, a - 0.52 * (1 - (v - 1.2) / 1.6).clip(0, 1))
    edge = np.exp(-(((a - 0.52 * (1 - (v - 1.2) / 1.6).clip(0, 1)) / 0.02) ** 2))
    cloth = mix(np.broadcast_to(inner, plain.shape), plain * 0.9, lapel)
    return cloth * (1 - 0.25 * edge)[..., None], crew * 0.3
