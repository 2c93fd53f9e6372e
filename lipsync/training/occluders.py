"""Synthetic occluders in front of faces, and variations of the faces themselves.

Occluders are hands, rods, blobs, boards, captions and strands of hair. Each is a colour layer with
an opacity, so the true mask is known exactly. Skin tones come from the face, textures from other
images. Open mouths, beards and relighting vary the face without occluding it.
"""

from __future__ import annotations

import string

import cv2
import numpy as np

Layer = tuple[np.ndarray, np.ndarray]
"""Colour, float32 (S, S, 3) in [0, 1], and opacity (S, S)."""

Mouth = tuple[float, float, float]
"""Centre x, centre y and width of a mouth, as fractions of the crop."""

_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


def occluder(
    rng: np.random.Generator, face: np.ndarray, other: np.ndarray, kind: str | None = None
) -> Layer:
    """Draw a random occluder for a face.

    Args:
        rng: random generator.
        face: float32 (S, S, 3) in [0, 1], a source of skin tone.
        other: another image of the same shape, a source of texture.
        kind: one of :data:`KINDS`; None picks one at random.
    """
    draw = KINDS[kind or str(rng.choice(list(KINDS)))]
    colour, opacity = draw(rng, face, other)
    soft = rng.uniform(0.3, 1.2) * len(face) / 128
    opacity = cv2.GaussianBlur(opacity, (0, 0), soft)
    return np.clip(colour, 0, 1).astype(np.float32), opacity


def draw_open_mouth(rng: np.random.Generator, face: np.ndarray, mouth: Mouth) -> np.ndarray:
    """Draw an open mouth on a face (S, S, 3): lips, teeth, tongue and the dark inside."""
    size = len(face)
    wide = mouth[2] * size * rng.uniform(0.35, 0.6)
    high = wide * rng.uniform(0.1, 0.9)
    x, y = np.array(mouth[:2]) * size + rng.normal(0, 0.02, 2) * size
    y += rng.uniform(0, 0.8) * high
    v, u = np.mgrid[:size, :size]
    u, v = (u - x) / wide, (v - y) / high
    bent = v + rng.uniform(-0.3, 0.3) * (u**2 - 0.5)
    inside = u**2 + bent**2
    out = face.copy()
    skin = np.median(face[size // 8 : size // 3, size // 4 : -size // 4], axis=(0, 1))
    lips = skin * rng.uniform(0.6, 1.0) * [1, rng.uniform(0.55, 0.95), rng.uniform(0.55, 0.95)]
    _blend(out, lips, inside < rng.uniform(1.2, 1.8), rng.uniform(0.5, 1))
    dark = rng.uniform(0, 0.3) * np.array([1, rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9)])
    _blend(out, dark, inside < 1)
    if rng.random() < 0.5:
        tongue = skin * rng.uniform(0.4, 1.0) * [1, 0.6, 0.65]
        _blend(out, tongue, (inside < 0.9) & (u**2 * 2 + (v - 0.9) ** 2 < rng.uniform(0.3, 1.2)))
    teeth = rng.uniform(0.45, 1.0) * np.array([1, rng.uniform(0.9, 1), rng.uniform(0.75, 1)])
    if rng.random() < 0.75:
        _blend(out, teeth, (inside < 0.95) & (bent < rng.uniform(-0.7, 0.6)))
    if rng.random() < 0.3:
        _blend(out, teeth * rng.uniform(0.7, 1), (inside < 0.9) & (bent > rng.uniform(0.2, 0.8)))
    return out


def draw_beard(rng: np.random.Generator, mouth: Mouth, size: int) -> Layer:
    """A beard around the mouth, to be laid over all images of a face."""
    v, u = np.mgrid[:size, :size] / size
    u, v = (u - mouth[0]) / mouth[2], (v - mouth[1]) / mouth[2]
    within = ((u / rng.uniform(0.9, 1.4)) ** 2 + ((v - 0.3) / rng.uniform(0.6, 1.3)) ** 2) < 1
    above = v > -rng.uniform(0.2, 0.4) + 0.5 * u**2
    bare = (u / 0.55) ** 2 + (v / rng.uniform(0.15, 0.35)) ** 2 < 1
    opacity = cv2.GaussianBlur((within & above & ~bare).astype(np.float32), (0, 0), 0.02 * size)
    tone = rng.uniform(0.03, 0.5) * np.array([1, rng.uniform(0.7, 1), rng.uniform(0.5, 1)])
    hair = tone + rng.uniform(0, 0.1) * rng.standard_normal((size, size, 1))
    return hair.astype(np.float32), opacity * rng.uniform(0.4, 1)


def relight(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """An image (S, S, 3) relit: uneven light, a tint, and sometimes a fade to black or white."""
    lit = picture * _shade(rng, len(picture)) * rng.normal(1, 0.06, 3)
    if rng.random() < 0.3:
        lit += rng.uniform(0, 0.7) * (rng.integers(2) - lit)
    return lit.astype(np.float32)


def _blend(picture: np.ndarray, colour: np.ndarray, where: np.ndarray, share: float = 1.0) -> None:
    """Blend in a colour with soft edges, in place."""
    soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.006 * len(picture))
    picture += share * soft[..., None] * (colour - picture)


def recompress(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Degrade an image (S, S, 3) in [0, 1] like a camera and codec: downsample, then JPEG."""
    size = len(picture)
    side = round(size * rng.uniform(0.4, 1.0))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    picture = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))])
    return cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.float32) / 255


def _hand(rng: np.random.Generator, face: np.ndarray, other: np.ndarray) -> Layer:
    """A hand that reaches in from an edge of the image: arm, palm and fingers."""
    size = len(face)
    skin = _skin(rng, face if rng.random() < 0.7 else other)
    centre, towards = _from_an_edge(rng, size)
    colour, opacity = np.zeros_like(face), np.zeros((size, size), np.float32)
    thick = rng.uniform(0.07, 0.13) * size
    spread = rng.uniform(0.1, 0.5)
    across = np.array([-towards[1], towards[0]])
    fingers = int(rng.integers(1, 6))
    for k in range(-1, fingers):
        part = np.zeros((size, size), np.float32)
        if k < 0:  # palm and arm
            end = centre - towards * size
            cv2.line(part, *_points(centre, end), 1.0, round(thick * 3), cv2.LINE_AA, _SHIFT)
        else:
            place = k - (fingers - 1) / 2
            root = centre + across * place * thick
            way = towards + across * place * spread / max(fingers, 2)
            tip = root + way * thick * rng.uniform(2.5, 5.5)
            cv2.line(part, *_points(root, tip), 1.0, round(thick), cv2.LINE_AA, _SHIFT)
        part = (cv2.GaussianBlur(part, (0, 0), 1.0 + 0.1 * thick) > 0.5).astype(np.float32)
        inner = cv2.GaussianBlur(part, (0, 0), 0.3 * thick)[..., None]
        tone = skin * (rng.uniform(0.45, 0.8) + rng.uniform(0.2, 0.5) * inner)
        colour += part[..., None] * (tone - colour)
        opacity = np.maximum(opacity, part)
    return colour * _shade(rng, size) + _grain(rng, size), opacity


def _rod(rng: np.random.Generator, face: np.ndarray, other: np.ndarray) -> Layer:
    """A rod, such as a microphone, a cup's handle or a pen, with or without a thick end."""
    size = len(face)
    end, towards = _from_an_edge(rng, size)
    opacity = np.zeros((size, size), np.float32)
    thick = rng.uniform(0.02, 0.12) * size
    start = end - towards * 2 * size
    cv2.line(opacity, *_points(start, end), 1.0, max(1, round(thick)), cv2.LINE_AA, _SHIFT)
    if rng.random() < 0.7:
        radii = thick * rng.uniform(0.8, 2.0, 2)
        angle = float(rng.uniform(0, 180))
        box = (tuple(end.tolist()), tuple((2 * radii).tolist()), angle)
        cv2.ellipse(opacity, box, 1.0, -1, cv2.LINE_AA)
    return _surface(rng, face, other, 0.6), opacity


def _blob(rng: np.random.Generator, face: np.ndarray, other: np.ndarray) -> Layer:
    """A random smooth shape."""
    size = len(face)
    cells = int(rng.integers(3, 7))
    field = cv2.resize(
        rng.standard_normal((cells, cells)).astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_CUBIC,
    )
    level = np.quantile(field, rng.uniform(0.6, 0.95))
    return _surface(rng, face, other, 0.2), (field > level).astype(np.float32)


def _board(rng: np.random.Generator, face: np.ndarray, other: np.ndarray) -> Layer:
    """A rotated rectangle, such as a card, a phone or a banner."""
    size = len(face)
    sides = rng.uniform(0.15, 0.8, 2) * size
    box = (tuple((rng.random(2) * size).tolist()), tuple(sides.tolist()), rng.uniform(-60, 60))
    corners = cv2.boxPoints(box)
    opacity = np.zeros((size, size), np.float32)
    cv2.fillConvexPoly(opacity, np.rint(corners * 2**_SHIFT).astype(int), 1.0, cv2.LINE_AA, _SHIFT)
    return _surface(rng, face, other, 0.4), opacity


def _caption(rng: np.random.Generator, face: np.ndarray, other: np.ndarray) -> Layer:
    """One or two lines of outlined text, like burnt-in captions."""
    size = len(face)
    ink, edge = np.zeros((2, size, size), np.float32)
    font = _FONTS[rng.integers(len(_FONTS))]
    scale, thick = rng.uniform(0.35, 1.3) * size / 128, int(rng.integers(1, 4))
    outline = int(rng.integers(0, 4))
    letters = string.ascii_uppercase + string.ascii_lowercase * int(rng.integers(2)) + "   "
    y, step = rng.uniform(0.2, 1.0) * size, 34 * scale
    for line in range(int(rng.integers(1, 3))):
        text = "".join(rng.choice(list(letters), int(rng.integers(4, 16))))
        at = (round(rng.uniform(-0.3, 0.4) * size), round(y + line * step))
        cv2.putText(edge, text, at, font, scale, 1.0, thick + 2 * outline, cv2.LINE_AA)
        cv2.putText(ink, text, at, font, scale, 1.0, thick, cv2.LINE_AA)
    bright = rng.random() < 0.7
    colours = [_plain(rng, bright), _plain(rng, not bright)]
    colour = colours[1] + ink[..., None] * (colours[0] - colours[1])
    return colour, edge


def _strands(rng: np.random.Generator, face: np.ndarray, other: np.ndarray) -> Layer:
    """Strands of hair over the face."""
    size = len(face)
    opacity = np.zeros((size, size), np.float32)
    x, lean = rng.uniform(0, 1), rng.normal(0, 0.4)
    for _ in range(int(rng.integers(4, 40))):
        t = np.linspace(0, rng.uniform(0.4, 1.1), 12)
        start, bend = x + rng.normal(0, 0.08), lean + rng.normal(0, 0.15)
        path = np.stack([start + bend * t + rng.normal(0, 0.05) * np.sin(4 * t), t], 1) * size
        points = np.rint(path * 2**_SHIFT).astype(int)
        wide = int(rng.integers(1, 3))
        cv2.polylines(opacity, [points], False, 1.0, wide, cv2.LINE_AA, _SHIFT)
    return _plain(rng, rng.random() < 0.3) * _shade(rng, size) + _grain(rng, size), opacity


def _from_an_edge(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A point near the mouth, and the unit direction from which an occluder reaches it."""
    end = (np.array([0.5, 0.6]) + rng.normal(0, 0.22, 2)) * size
    angle = rng.choice([-np.pi / 2, -np.pi / 2, 0.0, np.pi]) + rng.normal(0, 0.6)
    return end, np.array([np.cos(angle), np.sin(angle)])


def _points(*points: np.ndarray) -> list[list[int]]:
    return [np.rint(point * 2**_SHIFT).astype(int).tolist() for point in points]


def _skin(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Median cheek colour, randomly lightened or darkened."""
    row = len(face) // 4
    cheeks = face[row - len(face) // 10 : row + len(face) // 10, len(face) // 4 : -len(face) // 4]
    return np.median(cheeks, axis=(0, 1)) * rng.uniform(0.6, 1.25) * rng.normal(1, 0.04, 3)


def _plain(rng: np.random.Generator, bright: bool) -> np.ndarray:
    """A random colour, usually grey."""
    level = rng.uniform(0.7, 1.0) if bright else rng.uniform(0.0, 0.3)
    hue = rng.uniform(0, 1, 3) if rng.random() < 0.3 else np.ones(3)
    return (level * hue).astype(np.float32)


def _surface(
    rng: np.random.Generator, face: np.ndarray, other: np.ndarray, plain: float
) -> np.ndarray:
    """A plain colour with probability ``plain``, else a rotated, scaled piece of another image."""
    size = len(face)
    if rng.random() < plain:
        return _plain(rng, rng.random() < 0.4) * _shade(rng, size) + _grain(rng, size)
    turn = cv2.getRotationMatrix2D(
        tuple((rng.random(2) * size).tolist()), rng.uniform(0, 360), rng.uniform(0.7, 3)
    )
    piece = cv2.warpAffine(other, turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    return piece * rng.uniform(0.6, 1.2) * _shade(rng, size)


def _shade(rng: np.random.Generator, size: int) -> np.ndarray:
    """Smooth random shading, (S, S, 1) around 1."""
    coarse = 1 + rng.uniform(0, 0.3) * rng.standard_normal((3, 3)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)[..., None]


def _grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """Slight pixel noise, (S, S, 1)."""
    return rng.uniform(0, 0.06) * rng.standard_normal((size, size, 1)).astype(np.float32)


KINDS = {
    "hand": _hand,
    "rod": _rod,
    "blob": _blob,
    "board": _board,
    "caption": _caption,
    "strands": _strands,
}
