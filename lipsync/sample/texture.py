"""The static part of a head: skin over a height field, ears, brows, beard and glasses, lit once."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from lipsync.sample.hair import hair_layers
from lipsync.sample.looks import Look
from lipsync.sample.mouth import MOUTH_V
from lipsync.sample.shading import Array, Light, bump, lit, mix, noise, normals, step

LEFT, TOP, RIGHT, BOTTOM = -1.30, -1.55, 1.30, 1.45  # the canvas in head units
CENTRE_V = 0.05


def canvas(unit: float) -> tuple[Array, Array]:
    """Face coordinates (u, v) of the canvas' pixels, ``unit`` pixels per head unit."""
    width, height = round((RIGHT - LEFT) * unit), round((BOTTOM - TOP) * unit)
    u = LEFT + (np.arange(width, dtype=np.float32) + 0.5) / unit
    v = TOP + (np.arange(height, dtype=np.float32) + 0.5) / unit
    return tuple(np.meshgrid(u, v))


def outline(look: Look, u: Array, v: Array) -> Array:
    """Radius of (u, v) relative to the face's outline in its direction: 1 on the outline."""
    f, j = look.face_width, look.jaw_width
    points = np.array([
        (0.0, 1.0), (0.17 * j * look.chin, 0.975), (0.37 * j, 0.84), (0.55 * j, 0.60),
        (0.65 * f, 0.28), (0.69 * f, -0.05), (0.685 * f, -0.36), (0.58 * f, -0.70),
        (0.34 * f, -0.93), (0.0, -1.0),
    ])  # fmt: skip
    du, dv = points[:, 0], points[:, 1] - CENTRE_V
    angle, radius = np.arctan2(du, dv), np.hypot(du, dv)
    angle = np.concatenate([-angle[:0:-1], angle])
    radius = np.concatenate([radius[:0:-1], radius])
    spline = CubicSpline(angle, radius, bc_type="periodic")
    table = spline(np.linspace(-np.pi, np.pi, 721)).astype(np.float32)
    at = (np.arctan2(np.abs(u), v - CENTRE_V) + np.pi) * (720 / (2 * np.pi))
    reach = np.interp(at, np.arange(721), table).astype(np.float32)
    return np.hypot(u, v - CENTRE_V) / reach


def bake_head(look: Look, light: Light, rng: np.random.Generator, unit: float) -> Array:
    """The lit head, lids closed, without lips: premultiplied float32 RGBA (h, w, 4) in [0, 1]."""
    u, v = canvas(unit)
    rho = outline(look, u, v)
    pixel = 1.2 / unit
    height = _relief(look, u, v, rho)
    face = step(pixel, -pixel, (rho - 1) * 0.7)

    albedo, gloss = _skin(look, rng, u, v, rho)
    grain = noise(rng, u.shape, (3, 3)) * 0.0012 + noise(rng, u.shape, (9, 9)) * 0.003
    normal = normals(height + grain, unit)
    hollow = (cv2.GaussianBlur(height, (0, 0), 0.07 * unit) - height).clip(0)
    skin = lit(albedo, normal, light.key, light.warmth, gloss) * light.strength
    skin = skin * (1 - 3.2 * hollow).clip(0.45, 1)[..., None]
    skin = _features(look, rng, skin, u, v)

    hair_back, hair_front = hair_layers(look, light, rng, u, v, rho, unit)
    ear, ear_cover = _ears(look, light, u, v, unit)
    out = np.zeros((*u.shape, 4), np.float32)
    out = _over(out, *hair_back)
    out = _over(out, ear, ear_cover)
    out = _over(out, skin, face)
    out = _over(out, *hair_front)
    if look.glasses != "none":
        out = _over(out, *_glasses(look, u, v, pixel))
    return out.clip(0, 1).astype(np.float32)


def _over(below: Array, colour: Array, cover: Array) -> Array:
    """Composite a colour with coverage onto a premultiplied RGBA image."""
    cover = cover[..., None]
    top = np.concatenate([colour.clip(0, 1) * cover, cover], axis=-1)
    return top + below * (1 - cover)


def _relief(look: Look, u: Array, v: Array, rho: Array) -> Array:
    """Height of the face towards the camera in head units."""
    a = np.abs(u)
    z = 0.62 * (1 - rho.clip(0, 0.995) ** 2.3) ** 0.62
    mouth_v = MOUTH_V + look.mouth_height
    # sockets and brow ridge
    z = z - 0.085 * bump(a, v, (look.eye_spacing - 0.01, -0.01), (0.13, 0.085))
    z = z + 0.050 * bump(a, v, (look.eye_spacing, 0.0), (0.10, 0.055))  # the eyeball's bulge
    z = z + (0.035 if look.masculine else 0.018) * bump(a, v, (0.26, -0.20), (0.17, 0.05))
    # nose
    tip = 0.335 * look.nose_length
    ridge = step(-0.16, 0.05, v) * step(tip + 0.10, tip - 0.02, v)
    rise = 0.05 + 0.10 * step(-0.05, tip, v)
    z = z + rise * ridge * np.exp(-0.5 * (u / (0.062 * look.nose_width)) ** 2)
    z = z + 0.085 * bump(u, v, (0.0, tip), (0.075 * look.nose_width, 0.070))
    z = z + 0.065 * bump(a, v, (0.105 * look.nose_width, tip + 0.045), (0.042, 0.045))
    # cheeks, folds, mouth mound, chin
    z = z + 0.055 * look.cheek * bump(a, v, (0.36, 0.24), (0.15, 0.13))
    z = z - 0.020 * bump(a, v, (0.47, 0.52), (0.10, 0.16))
    z = z + 0.045 * bump(u, v, (0.0, mouth_v), (0.20, 0.12))
    z = z - 0.010 * bump(u, v, (0.0, 0.51), (0.020, 0.035))
    z = z - 0.032 * bump(u, v, (0.0, mouth_v + 0.165), (0.14, 0.035))
    z = z + 0.050 * look.chin * bump(u, v, (0.0, 0.885), (0.13, 0.075))
    # the fold from nostril to mouth corner deepens with age
    fold = _curve_distance(a, v, [(0.15, 0.36), (0.22, 0.46), (0.295, 0.58), (0.31, 0.68)])
    z = z - (0.006 + 0.014 * look.age) * np.exp(-((fold / 0.03) ** 2))
    if look.age > 0.4:
        waves = np.sin((v + 0.015 * np.cos(5 * u)) * 62) * bump(u, v, (0, -0.42), (0.26, 0.10))
        z = z + 0.0028 * (look.age - 0.3) * waves
    return z.astype(np.float32)


def _curve_distance(u: Array, v: Array, points: list[tuple[float, float]]) -> Array:
    """Distance to a polyline in head units."""
    best = np.full(u.shape, 9.0, np.float32)
    for (u0, v0), (u1, v1) in pairwise(points):
        du, dv = u1 - u0, v1 - v0
        t = (((u - u0) * du + (v - v0) * dv) / (du * du + dv * dv)).clip(0, 1)
        best = np.minimum(best, np.hypot(u - u0 - t * du, v - v0 - t * dv))
    return best


def _skin(
    look: Look, rng: np.random.Generator, u: Array, v: Array, rho: Array
) -> tuple[Array, Array]:
    """Albedo (h, w, 3) and gloss (h, w) of bare skin."""
    a = np.abs(u)
    skin = np.broadcast_to(np.asarray(look.skin, np.float32), (*u.shape, 3)).copy()
    blotch = 1 + 0.025 * noise(rng, u.shape, (30, 30)) + 0.02 * noise(rng, u.shape, (7, 7))
    skin = skin * blotch[..., None]
    tip = 0.335 * look.nose_length
    flush = 0.8 * bump(a, v, (0.38, 0.28), (0.14, 0.11)) + 0.7 * bump(u, v, (0, tip), (0.09, 0.07))
    skin = skin * (1 - flush[..., None] * np.array([0.0, 0.10, 0.09], np.float32))
    socket = bump(a, v, (look.eye_spacing, 0.0), (0.16, 0.085)) * (0.12 + 0.10 * look.age)
    skin = skin * (1 - socket[..., None] * np.array([0.9, 1.1, 0.9], np.float32))
    if look.freckles:
        dots = np.zeros(u.size, np.float32)
        dots[rng.integers(0, u.size, u.size // 130)] = rng.uniform(3, 9, u.size // 130)
        dots = cv2.GaussianBlur(dots.reshape(u.shape), (0, 0), 1.1).clip(0, 1)
        where = bump(a, v, (0.26, 0.22), (0.20, 0.12)) * look.freckles
        skin = skin * (1 - 0.28 * (dots * where)[..., None] * np.array([0.7, 1.0, 1.1], np.float32))
    gloss = 0.10 * bump(u, v, (0, -0.45), (0.3, 0.15)) + 0.16 * bump(u, v, (0, tip), (0.06, 0.06))
    gloss = gloss + 0.08 * bump(a, v, (0.36, 0.2), (0.12, 0.08)) + 0.035
    return skin.astype(np.float32), (gloss * (0.6 if look.masculine else 0.75)).astype(np.float32)


def _features(look: Look, rng: np.random.Generator, skin: Array, u: Array, v: Array) -> Array:
    """Details painted on the lit skin: nostrils, lid creases, brows, beard."""
    a = np.abs(u)
    tip = 0.335 * look.nose_length
    nostril = step(
        1.25, 0.7, np.hypot((a - 0.062 * look.nose_width) / 0.036, (v - tip - 0.088) / 0.017)
    )
    skin = skin * (1 - 0.72 * nostril)[..., None]
    under = bump(u, v, (0, tip + 0.115), (0.12 * look.nose_width, 0.028))
    wing = np.exp(
        -(((np.hypot(a - 0.105 * look.nose_width, v - tip - 0.045) - 0.062) / 0.016) ** 2)
    )
    wing = wing * step(0.10, 0.15, a / look.nose_width) * step(-0.05, 0.0, v - tip)
    skin = skin * (1 - 0.22 * under - 0.20 * wing)[..., None]
    # lid crease above the eye, bag below it
    x = (a - look.eye_spacing) / (0.15 * look.eye_size)
    arc = (1 - x.clip(-1, 1) ** 2) ** 0.7
    crease = np.exp(-(((v + look.eye_tilt * x * 0.6 + 0.03 + 0.082 * arc) / 0.012) ** 2))
    bag = np.exp(-(((v - 0.055 - 0.045 * arc) / 0.014) ** 2))
    ends = step(1.12, 0.8, np.abs(x))
    skin = skin * (1 - ends * (0.34 * crease + (0.06 + 0.14 * look.age) * bag))[..., None]
    skin = _brows(look, rng, skin, u, v)
    # shade under the lower lip
    skin = skin * (1 - 0.10 * bump(u, v, (0, MOUTH_V + 0.145), (0.13, 0.025)))[..., None]
    return _beard(look, rng, skin, u, v) if look.beard != "none" else skin


def _brows(look: Look, rng: np.random.Generator, skin: Array, u: Array, v: Array) -> Array:
    a = np.abs(u)
    t = ((a - 0.13) / 0.40).clip(0, 1)
    spine = -0.185 - 1.6 * look.brow_arch * np.sin(np.pi * t**1.3) - 0.02 * np.sin(np.pi * t)
    spine = spine + 0.045 * t**2
    half = 0.034 * look.brow_weight * (1 - 0.72 * t**1.6) * step(0.0, 0.10, t + 0.04)
    hairs = 0.90 + 0.18 * noise(rng, u.shape, (8, 2.2))
    cover = step(1.35, 0.45, np.abs(v - spine) / np.maximum(half, 1e-3)) * hairs
    cover = cover * step(0.105, 0.16, a) * step(0.56, 0.47, a)
    tone = np.asarray(look.hair, np.float32) * 0.62 + 0.02
    if sum(look.hair) > 1.5:  # with fair or grey hair the brows stay darker
        tone = tone * 0.75
    return mix(skin, tone, (0.88 * cover).clip(0, 1))


def _beard(look: Look, rng: np.random.Generator, skin: Array, u: Array, v: Array) -> Array:
    a = np.abs(u)
    mouth_v = MOUTH_V + look.mouth_height
    moustache = step(0.30, 0.22, a) * step(mouth_v - 0.155, mouth_v - 0.115, v + 0.10 * a)
    moustache = moustache * step(mouth_v + 0.03, mouth_v - 0.01, v - 0.25 * (a - 0.18).clip(0))
    jaw_line = 0.50 - 0.75 * (a - 0.42).clip(0) + 0.75 * (0.42 - a).clip(0) * 0.5
    cheeks = step(-0.05, 0.06, v - jaw_line) * step(0.27, 0.36, a + 0.8 * (v - 0.72).clip(0))
    chin = step(0.80, 0.86, v + 0.12 * np.exp(-((u / 0.05) ** 2)) * 0.4)
    goatee = np.maximum(chin * step(0.26, 0.18, a), 0.8 * bump(u, v, (0, 0.765), (0.035, 0.035)))
    sides = step(0.245, 0.285, a) * step(0.37, 0.31, a) * step(mouth_v - 0.12, mouth_v - 0.02, v)
    region = {
        "stubble": np.maximum.reduce([moustache, cheeks, chin]),
        "full": np.maximum.reduce([moustache, cheeks, chin, goatee, sides]),
        "moustache": moustache,
        "goatee": np.maximum.reduce([moustache, goatee, sides]),
    }[look.beard]
    region = cv2.GaussianBlur(region.astype(np.float32), (0, 0), 2.0)
    hairs = (0.90 + 0.18 * noise(rng, u.shape, (4, 1.6))).clip(0, 1)
    tone = np.asarray(look.hair, np.float32) * 0.75
    if look.beard == "stubble":
        return mix(skin, 0.5 * tone + 0.12, 0.38 * region * hairs)
    light = skin.mean(-1, keepdims=True) / max(0.2, float(np.mean(look.skin)))
    return skin + (tone * light * 0.95 - skin) * (0.90 * region * hairs)[..., None]


def _ears(look: Look, light: Light, u: Array, v: Array, unit: float) -> tuple[Array, Array]:
    a = np.abs(u) - 0.695 * look.face_width
    x, y = a - 0.12 * (0.05 - v), v - 0.07
    r = np.hypot(x / (0.105 - 0.02 * step(0, 0.2, y)), y / 0.205)
    height = 0.12 * (1 - r.clip(0, 1) ** 3)
    height = height - 0.07 * np.exp(-(((r - 0.55) / 0.18) ** 2)) * step(0.12, 0.05, y)
    colour = np.broadcast_to(np.asarray(look.skin, np.float32), (*u.shape, 3))
    colour = colour * np.array([0.98, 0.86, 0.84], np.float32)
    normal = normals(height.astype(np.float32), unit)
    shaded = lit(colour, normal, light.key, light.warmth) * light.strength * 0.86
    return shaded, step(1.04, 0.94, r)


def _glasses(look: Look, u: Array, v: Array, pixel: float) -> tuple[Array, Array]:
    power = 2.3 if look.glasses == "round" else 4.5
    a = np.abs(u)
    x, y = (a - look.eye_spacing - 0.005) / 0.235, (v - 0.025) / 0.185
    rim = (np.abs(x) ** power + np.abs(y) ** power) ** (1 / power)
    width = 0.022 if look.glasses == "round" else 0.026
    cover = step(width / 2 + pixel, width / 2 - pixel, np.abs(rim - 1) * 0.2)
    bridge = step(0.018, 0.008, np.abs(v + 0.03 + 0.25 * (0.09 - a).clip(0))) * step(0.11, 0.10, a)
    temple = step(0.018, 0.008, np.abs(v + 0.05)) * step(0.56, 0.57, a) * step(0.71, 0.69, a)
    cover = np.maximum.reduce([cover, bridge, temple])
    base = (0.15, 0.12, 0.11) if look.glasses == "square" else (0.42, 0.34, 0.22)
    glint = 0.22 * np.exp(-(((v + 0.14) / 0.03) ** 2))[..., None]
    return np.asarray(base, np.float32) + glint, cover
