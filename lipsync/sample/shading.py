"""Tools of the renderer, all float32: soft steps, noise, and light on a height field."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Light:
    """A key light: unit direction towards it (3,), its warmth (tint), and its strength."""

    key: Array
    warmth: float
    strength: float


def step(low: float, high: float, x: Array) -> Array:
    """Smooth 0-to-1 step between ``low`` and ``high`` (either order), cubic."""
    t = ((x - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def bump(u: Array, v: Array, at: tuple[float, float], size: tuple[float, float]) -> Array:
    """A Gaussian of height 1 at ``at`` with the given standard deviations."""
    return np.exp(-0.5 * (((u - at[0]) / size[0]) ** 2 + ((v - at[1]) / size[1]) ** 2))


def mix(a: Array, b: Array | tuple[float, ...], weight: Array) -> Array:
    """Blend (h, w, 3) colours: ``a`` where weight is 0, ``b`` where it is 1."""
    return a + (np.asarray(b, np.float32) - a) * spread(weight)


def spread(weight: Array) -> Array:
    """(h, w) -> (h, w, 3), copied: numpy is slow to broadcast over a last axis of three."""
    weight = np.asarray(weight, np.float32)
    return cv2.merge([weight, weight, weight])


def over(below: Array, top: Array) -> None:
    """Composite premultiplied RGBA float32 ``top`` onto RGB ``below``, in place."""
    below *= spread(1 - top[..., 3])
    below += cv2.cvtColor(top, cv2.COLOR_RGBA2RGB)


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[float, float]) -> Array:
    """Smooth noise in about [-1, 1]; ``cells`` is the feature size in pixels (down, across)."""
    small = (max(2, round(shape[0] / cells[0])), max(2, round(shape[1] / cells[1])))
    field = rng.uniform(-1, 1, small).astype(np.float32)
    return cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC)


def sample(field: Array, x: Array, y: Array) -> Array:
    """Read a float image at positions, bilinear, mirrored outside."""
    return cv2.remap(
        field, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip


def normals(height: Array, unit: float) -> Array:
    """Unit normals (h, w, 3) of a height field in head units with ``unit`` pixels per head unit."""
    du = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) * (unit / 8)
    dv = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) * (unit / 8)
    normal = np.dstack([-du, -dv, np.ones_like(du)])
    return normal / np.sqrt((normal**2).sum(-1, keepdims=True))


def lit(
    albedo: Array, normal: Array, key: Array, warmth: float, gloss: Array | float = 0.0
) -> Array:
    """Shade an sRGB ``albedo`` with a soft key light, a fill from the other side and sky light.

    ``key`` is the unit direction towards the key light; ``warmth`` tints it; ``gloss`` (h, w) is
    the strength of the highlight. Works in linear light and returns sRGB, not yet clipped.
    """
    linear = np.maximum(albedo, 0) ** 2.2
    tint = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    wrap = 0.35  # light bleeds round the terminator, as it does in skin
    diffuse = ((normal @ key + wrap) / (1 + wrap)).clip(0) ** 1.2
    # red travels furthest under the skin: soften its terminator a little more
    red = ((normal @ key + 0.5) / 1.5).clip(0) ** 1.1
    lights = np.dstack([0.5 * (red + diffuse), diffuse, diffuse]) * tint
    fill_from = np.array([-key[0], 0.1, 0.75], np.float32)
    fill = (normal @ (fill_from / np.linalg.norm(fill_from))).clip(0)[..., None]
    sky = (0.5 - 0.5 * normal[..., 1:2]).clip(0)
    shaded = linear * (1.02 * lights + 0.22 * fill + 0.20 * sky + 0.06)
    half = key + np.array([0, 0, 1], np.float32)
    shine = (normal @ (half / np.linalg.norm(half))).clip(0)
    gloss = np.asarray(gloss, np.float32)
    shaded += (gloss * (0.6 * shine**28 + 0.25 * shine**8))[..., None] * tint
    return np.maximum(shaded, 0) ** (1 / 2.2)
