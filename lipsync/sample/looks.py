"""How one generated speaker looks: proportions, colours, hair, beard, glasses and clothing.

Lengths are in head units: the face's middle (between the eyes) is the origin, the crown is at
v = -1 and the chin at v = +1; u grows to the right, v downwards. Colours are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


def _palette(codes: str) -> list[Colour]:
    return [tuple(value / 255 for value in bytes.fromhex(code)) for code in codes.split()]


SKINS = _palette("e8b99a 8a5a3c d9a27e f0c8ae 6a4129 c58c63 ad7550 e2ae8c")
HAIRS = _palette("2a1c14 15110f 7a4a26 c79a58 1a1412 8d8a88 4a2d1b 94401f")
IRISES = _palette("4a2e1a 3a2415 4f7391 5d7a4a 2c1c12 6b7b86 6e4b25")
SHIRTS = _palette("2d4a6b 8c2f39 e6e2da 3f6b52 41414a c98d3f 6a4c7d 1f2a38 b5c4cf")
STYLES_LOW = ("short", "buzz", "side", "curly", "receding", "swept")
STYLES_HIGH = ("long", "bun", "bob", "curls", "fringe", "tied")


@dataclass(frozen=True)
class Look:
    """One speaker's appearance; factors have a neutral value of 1."""

    skin: Colour
    hair: Colour
    iris: Colour
    lip: Colour
    shirt: Colour
    style: str
    collar: str  # crew, vee, shirt, jacket
    glasses: str  # none, round, square
    beard: str  # none, stubble, moustache, full, goatee
    masculine: bool
    face_width: float
    jaw_width: float
    chin: float
    cheek: float
    eye_spacing: float
    eye_size: float
    eye_tilt: float
    nose_width: float
    nose_length: float
    brow_weight: float
    brow_arch: float
    lip_full: float
    mouth_width: float
    mouth_height: float
    age: float  # 0 young to 1 lined
    freckles: float


def random_look(seed: int, index: int) -> Look:
    """The look of speaker ``index``, chosen so that neighbouring speakers never look alike."""
    rng = np.random.default_rng([seed, 1, index])
    turn = int(np.random.default_rng([seed, 2]).integers(64))
    masculine = (index + turn) % 2 == 0
    pair, walk = (index + turn) // 2, index + turn
    skin = np.array(SKINS[(3 * walk) % len(SKINS)]) * rng.uniform(0.95, 1.04)
    dark = float(skin.mean()) < 0.53
    hair = HAIRS[(5 * walk + pair) % len(HAIRS)]
    if dark and max(hair) - min(hair) > 0.25:  # fair hair on dark skin reads as a mistake
        hair = HAIRS[1]
    styles = STYLES_LOW if masculine else STYLES_HIGH
    bare, painted = np.array([0.88, 0.64, 0.62]), np.array([0.86, 0.44, 0.50])
    paint = 0.0 if masculine else rng.uniform(0.0, 1.0)
    lip = skin * (bare + (painted - bare) * paint)
    beards = ("none", "full", "stubble", "none", "goatee", "stubble", "moustache")
    beard = beards[pair % len(beards)] if masculine else "none"
    glasses = ("none", "none", "square", "none", "none", "round", "none")[walk % 7]
    if beard in ("full", "goatee"):  # glasses, too, would hide too much of the face
        glasses = "none"
    return Look(
        skin=tuple(skin.clip(0, 1).tolist()),
        hair=hair,
        iris=IRISES[walk % 2 if dark else (3 * walk) % len(IRISES)],
        lip=tuple(lip.clip(0, 1).tolist()),
        shirt=SHIRTS[(4 * walk + 1) % len(SHIRTS)],
        style=styles[pair % len(styles)],
        collar=("crew", "shirt", "vee", "jacket")[(walk + pair) % 4],
        glasses=glasses,
        beard=beard,
        masculine=masculine,
        face_width=rng.uniform(0.95, 1.05),
        jaw_width=rng.uniform(0.98, 1.12) if masculine else rng.uniform(0.84, 0.97),
        chin=rng.uniform(0.9, 1.15),
        cheek=rng.uniform(0.7, 1.3),
        eye_spacing=rng.uniform(0.315, 0.35),
        eye_size=rng.uniform(0.92, 1.03) if masculine else rng.uniform(1.0, 1.14),
        eye_tilt=rng.uniform(-0.02, 0.05),
        nose_width=rng.uniform(0.85, 1.25),
        nose_length=rng.uniform(0.92, 1.08),
        brow_weight=rng.uniform(1.0, 1.45) if masculine else rng.uniform(0.6, 0.95),
        brow_arch=rng.uniform(0.0, 0.03) if masculine else rng.uniform(0.015, 0.035),
        lip_full=rng.uniform(0.75, 1.05) if masculine else rng.uniform(0.95, 1.3),
        mouth_width=rng.uniform(0.92, 1.08),
        mouth_height=rng.uniform(-0.02, 0.02),
        age=rng.uniform(0.0, 1.0),
        freckles=float(rng.random() < 0.25) * rng.uniform(0.4, 1.0),
    )
