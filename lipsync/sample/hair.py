"""Hair styles, as lit layers of strands behind and around the face."""

from __future__ import annotations

import cv2
import numpy as np

from lipsync.sample.looks import Look
from lipsync.sample.shading import Array, Light, bump, lit, noise, normals, sample, step

Layer = tuple[Array, Array]  # colour (h, w, 3), coverage (h, w)

# height of the hair above the skull at the crown and the sides, and position of the hairline (head
# units); how low the sides reach, and the offset of the parting from the middle
_SHAPES = {
    "short": (0.10, 0.05, -0.60, 0.05, 0.0),
    "buzz": (0.035, 0.02, -0.62, 0.00, 0.0),
    "side": (0.14, 0.06, -0.58, 0.08, -0.30),
    "swept": (0.17, 0.05, -0.66, 0.02, 0.25),
    "curly": (0.19, 0.12, -0.58, 0.12, 0.0),
    "receding": (0.045, 0.05, -0.80, 0.06, 0.0),
    "long": (0.10, 0.13, -0.70, 1.35, 0.0),
    "bob": (0.11, 0.17, -0.64, 0.80, -0.18),
    "fringe": (0.12, 0.15, -0.30, 1.00, 0.0),
    "curls": (0.17, 0.26, -0.56, 1.00, 0.12),
    "bun": (0.06, 0.04, -0.72, 0.06, 0.0),
    "tied": (0.08, 0.05, -0.70, 0.10, 0.22),
}


def hair_layers(
    look: Look, light: Light, rng: np.random.Generator, u: Array, v: Array, rho: Array, unit: float
) -> tuple[Layer, Layer]:
    """The layer behind ears and face, and the layer over them."""
    crown, sides, line, low, part = _SHAPES[look.style]
    a = np.abs(u)
    curly = look.style in ("curly", "curls")
    stand = crown * step(0.1, -0.8, v) + sides * step(-0.9, -0.1, v)
    rough = (0.05 if curly else 0.008) * noise(rng, u.shape, (9, 9) if curly else (5, 5))
    edge = (rho - 1) * 0.8 - stand + rough
    soft = 0.035 if curly else 0.018
    skull = step(soft, -soft, edge) * step(low + 0.10, low - 0.02, v)
    skull = skull * step(0.72, 0.5, v)  # nothing hangs under the chin
    back = skull
    if low > 0.5:  # curtains beside the neck, narrowing downwards
        outer = (0.70 * look.face_width + sides) * (1 - 0.10 * step(0.4, low, v)) + rough
        curtain = step(soft, -soft, a - outer) * step(0.29, 0.36, a + 0.3 * (0.9 - v).clip(0))
        bottom = low + 0.06 * noise(rng, u.shape, (40, 12))
        back = np.maximum(skull, curtain * step(0.07, -0.07, v - bottom) * step(-0.4, 0.0, v))
    if look.style == "bun":
        back = np.maximum(back, step(1.05, 0.95, np.hypot(u / 0.27, (v + 1.17) / 0.22)))

    # the hairline: rounded over the forehead, down past the temples to the sideburns
    temple = 0.66 * look.face_width
    hairline = line + 0.85 * (a / temple).clip(0, 1.1) ** (
        5 if look.style in ("short", "curly", "buzz", "side") else 3.2
    )
    if part:
        hairline = hairline + 0.10 * np.exp(-(((u - part) / 0.5) ** 2)) * np.sign(part) * (u - part)
        hairline = hairline - 0.05 * np.exp(-(((u - part) / 0.06) ** 2))
    if look.style == "receding":
        hairline = hairline - 0.10 * bump(a, v * 0, (0.33, 0), (0.12, 1))
    if look.style == "fringe":
        hairline = line + 0.03 * noise(rng, u.shape, (400, 7)) - 0.04 * np.cos(3 * u)
    hairline = hairline + 0.012 * noise(rng, u.shape, (60, 4))
    feather = 0.012 if look.style == "fringe" else 0.05
    front = skull * step(feather, -feather, v - hairline)
    if low > 0.5:
        inner = 0.60 * look.face_width + 0.10 * step(0.3, 0.9, v)
        front = np.maximum(front, back * step(-0.02, 0.04, a - inner) * step(-0.5, -0.2, v))
    if look.style == "buzz":
        front = 0.78 * front
    colour = _strands(look, light, rng, u, v, rho, unit, part, curly)
    return (colour * 0.72, back), (colour, front)


def _strands(
    look: Look, light: Light, rng: np.random.Generator, u: Array, v: Array, rho: Array,
    unit: float, part: float, curly: bool,
) -> Array:  # fmt: skip
    """Hair colour with strands that fan out from the parting and fall down the sides."""
    field = cv2.GaussianBlur(rng.standard_normal((512, 512)).astype(np.float32), (0, 0), 1.1)
    field = field / field.std()
    if look.style == "buzz":
        strands = noise(rng, u.shape, (2.5, 2.5))
        clumps = np.zeros_like(u)
    elif curly:
        bent = 5 * noise(rng, u.shape, (12, 12))
        ring = np.sin(bent + 6 * noise(rng, u.shape, (8, 8)))
        strands, clumps = 0.9 * ring, noise(rng, u.shape, (14, 14))
    else:
        angle = np.arctan2(u - part, v + 1.9)  # 0 straight down from above the crown
        reach = np.hypot(u - part, v + 1.9)
        fan = angle * 170 + 6 * noise(rng, u.shape, (60, 60))
        fall = step(-0.35, 0.15, v)
        across = fan * (1 - fall) + u * 150 * fall
        strands = sample(field, (across + 256) % 511, reach * 14 + 40)
        clumps = sample(field, (across * 0.22 + 256) % 511, reach * 3 + 80)
    tone = np.asarray(look.hair, np.float32)
    value = (1 + 0.12 * strands + 0.12 * clumps).clip(0.5, 1.5)
    albedo = tone * value[..., None] * 0.95 + 0.01
    dome = 0.6 * (1 - (rho / 1.3).clip(0, 1) ** 2.2) ** 0.5 + 0.003 * strands + 0.010 * clumps
    normal = normals(dome.astype(np.float32), unit)
    # hair shines in a band where its curve faces the light
    band = np.exp(-(((v + 0.80 + 0.25 * u * light.key[0]) / 0.16) ** 2)) * (0.5 + 0.4 * strands)
    gloss = 0.0 if curly or look.style == "buzz" else 0.06
    shaded = lit(albedo.astype(np.float32), normal, light.key, light.warmth, gloss)
    shine = (0.06 if gloss else 0.02) * band.clip(0) * (0.5 + tone.max())
    shaded = shaded + shine[..., None] * np.array([1.0, 0.95, 0.88], np.float32)
    return shaded * light.strength
