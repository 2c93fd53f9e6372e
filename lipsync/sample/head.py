"""Renders the frames of a clip: the baked head, warped and moved, with animated mouth and eyes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lipsync.sample.eyes import shade_eye
from lipsync.sample.looks import Look
from lipsync.sample.mouth import MOUTH_V, Pose, jaw_drop, mouth_pose, shade_mouth
from lipsync.sample.scene import bake_background, bake_body
from lipsync.sample.shading import Array, Light, bump, over, spread, step
from lipsync.sample.texture import LEFT, TOP, bake_head

TEXTURE_SCALE = 1.6  # texture pixels per frame pixel


@dataclass(frozen=True)
class Motion:
    """The head's state in one frame: shifts in head units, angles in radians."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    brow: float = 0.0
    blink: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0  # of the light
    tilt: float = 0.0  # of the light, left to right


class HeadRenderer:
    """Renders square RGB frames of one speaker in one setting (light, room, framing).

    Everything static is baked once, using ``rng``; ``render`` then takes a few milliseconds and is
    deterministic.
    """

    def __init__(self, look: Look, rng: np.random.Generator, size: int) -> None:
        self.look, self.size = look, size
        self.unit = size * float(rng.uniform(0.262, 0.285))  # frame pixels per head unit
        self.origin = tuple(
            size * float(rng.uniform(*span)) for span in ((0.47, 0.53), (0.455, 0.485))
        )
        side = rng.choice([-1.0, 1.0])
        key = np.array([side * rng.uniform(0.3, 0.7), -rng.uniform(0.35, 0.6), 0.75], np.float32)
        self.light = Light(
            key / np.linalg.norm(key), rng.uniform(-0.05, 0.08), rng.uniform(0.90, 1.05)
        )
        self.texture = bake_head(look, self.light, rng, self.unit * TEXTURE_SCALE)
        body = bake_body(look, self.light, rng, size, self.unit, self.origin)
        self.body = body[int(self.origin[1]) :]  # the body does not reach above the eyes
        self.background = bake_background(rng, size)
        self.grain = rng.normal(0, 1.3, (size + 32, size + 32, 1)).astype(np.float32)
        self.grain = self.grain + rng.normal(0, 0.6, (size + 32, size + 32, 3)).astype(np.float32)
        v, u = np.mgrid[0:size, 0:size].astype(np.float32)
        self._grid = u + 0.5, v + 0.5

    def render(self, mouth: Array, motion: Motion, noise_at: tuple[int, int] = (0, 0)) -> Array:
        """One frame, uint8 RGB (size, size, 3), for articulation ``mouth`` (7,) and ``motion``.

        ``noise_at`` (two integers below 32) places the sensor noise, which should differ per frame.
        """
        frame = self._behind(motion)
        rows, columns = self._extent(motion)
        u, v = self._face_coordinates(motion, rows, columns)
        view = frame[rows, columns]

        pose = mouth_pose(mouth, self.look)
        over(view, self._skin(pose, motion.brow, u, v))
        self._mouth(view, pose, u, v)
        self._eyes(view, motion, u, v)
        return self._expose(frame, motion, noise_at)

    def _behind(self, motion: Motion) -> Array:
        """Room and body; the shoulders follow a third of the head's sway."""
        shift = np.array(
            [[1, 0, 0.35 * motion.x * self.unit], [0, 1, 0.25 * motion.y * self.unit]], np.float32
        )
        body = cv2.warpAffine(
            self.body, shift, self.body.shape[1::-1], borderMode=cv2.BORDER_REPLICATE
        )
        frame = self.background.copy()
        over(frame[-len(body) :], body)
        return frame

    def _extent(self, motion: Motion) -> tuple[slice, slice]:
        """The part of the frame that the head's canvas can cover."""
        x = self.origin[0] + self.unit * motion.x
        y = self.origin[1] + self.unit * motion.y
        reach = 1.32 * self.unit
        left, right = max(0, int(x - reach)), min(self.size, int(x + reach))
        top, bottom = max(0, int(y - 1.5 * self.unit)), min(self.size, int(y + 1.5 * self.unit))
        return slice(top, bottom), slice(left, right)

    def _face_coordinates(self, motion: Motion, rows: slice, columns: slice) -> tuple[Array, Array]:
        """Face coordinates of each pixel: the inverse of roll, scale, shift, and turn."""
        x = self._grid[0][rows, columns] - (self.origin[0] + self.unit * motion.x)
        y = self._grid[1][rows, columns] - (self.origin[1] + self.unit * motion.y)
        factor = 1 / (self.unit * motion.scale)
        c, s = np.cos(motion.roll) * factor, np.sin(motion.roll) * factor
        u = np.float32(c) * x + np.float32(s) * y
        v = np.float32(-s) * x + np.float32(c) * y
        # parallax of a turn: depth of a dome with a nose
        depth = 0.75 * np.exp(-((u / 0.80) ** 2) - ((v - 0.05) / 1.05) ** 2)
        depth = depth + 0.16 * bump(u, v, (0.0, 0.30), (0.10, 0.16))
        return u - np.float32(motion.yaw) * depth, v - np.float32(motion.pitch) * depth

    def _skin(self, pose: Pose, raised: float, u: Array, v: Array) -> Array:
        """The baked head warped by jaw, mouth corners and brows, RGBA."""
        scale = self.unit * TEXTURE_SCALE
        at_u, at_v = (u - LEFT) * scale - 0.5, (v - TOP) * scale - 0.5
        upper, lower = slice(0, len(v) * 2 // 5), slice(len(v) // 2, None)
        across, down = np.abs(u[lower]), v[lower]
        at_v[lower] -= scale * jaw_drop(pose, across, down)
        pull = scale * 0.5 * (pose.half_width - 0.265)
        pull = pull * bump(across, down, (0.36, MOUTH_V - 0.02), (0.12, 0.14))
        at_u[lower] -= np.copysign(pull, u[lower])
        brow = bump(np.abs(u[upper]), v[upper], (0.32, -0.20), (0.22, 0.09))
        at_v[upper] += (scale * raised) * brow
        return cv2.remap(self.texture, at_u, at_v, cv2.INTER_LINEAR)

    def _patch(
        self, u: Array, v: Array, centre: tuple[float, float], half: tuple[float, float]
    ) -> tuple[slice, slice]:
        """Rows and columns around a place on the face."""
        near = (np.abs(u - centre[0]) < half[0]) & (np.abs(v - centre[1]) < half[1])
        rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def _apply_shader(
        self, view: Array, u: Array, v: Array, at: tuple[slice, slice], shader
    ) -> None:
        """Run a shader at twice the frame's resolution and composite the result onto ``view``."""
        small_u, small_v = u[at], v[at]
        height, width = small_u.shape
        fine = (2 * width, 2 * height)
        fine_u = cv2.resize(small_u, fine, interpolation=cv2.INTER_LINEAR)
        fine_v = cv2.resize(small_v, fine, interpolation=cv2.INTER_LINEAR)
        tint = np.array([1 + self.light.warmth / 2, 1, 1 - self.light.warmth / 2], np.float32)
        light = spread(self.light.strength * (0.98 + 0.30 * self.light.key[0] * fine_u)) * tint
        colour, cover = shader(fine_u, fine_v, light)
        layer = cv2.merge([*cv2.split(colour * spread(cover)), cover])
        over(view[at], cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA))

    def _mouth(self, view: Array, pose: Pose, u: Array, v: Array) -> None:
        at = self._patch(u, v, (0.0, MOUTH_V + 0.095), (0.36, 0.25))
        self._apply_shader(view, u, v, at, lambda *uv: shade_mouth(pose, self.look, *uv))

    def _eyes(self, view: Array, motion: Motion, u: Array, v: Array) -> None:
        for side in (-1, 1):
            at = self._patch(u, v, (side * self.look.eye_spacing, 0.0), (0.165, 0.11))
            self._apply_shader(
                view, u, v, at,
                lambda *uv, side=side: shade_eye(
                    self.look, side, uv[0], uv[1], motion.blink, motion.gaze, uv[2]
                ),
            )  # fmt: skip

    def _expose(self, frame: Array, motion: Motion, noise_at: tuple[int, int]) -> Array:
        ramp = np.linspace(-motion.tilt, motion.tilt, self.size, dtype=np.float32)
        frame = frame * ((motion.gain + ramp) * 255)[None, :, None]
        y, x = noise_at
        frame += self.grain[y : y + self.size, x : x + self.size]
        return frame.clip(0, 255).astype(np.uint8)


def smooth_walk(rng: np.random.Generator, frames: int, seconds: float, fps: float = 25) -> Array:
    """A smooth random curve of about unit amplitude that varies over about ``seconds``."""
    knots = rng.standard_normal(int(frames / fps / seconds) + 4)
    at = np.arange(frames) / fps / seconds + 1
    i = at.astype(int)
    t = at - i
    before, here, after, later = (knots[i + k] for k in (-1, 0, 1, 2))
    # uniform cubic B-spline: its slope is continuous and it never overshoots
    return (
        (1 - t) ** 3 * before + (3 * t**3 - 6 * t**2 + 4) * here
        + (-3 * t**3 + 3 * t**2 + 3 * t + 1) * after + t**3 * later
    ) / 6 * 1.6  # fmt: skip


def random_motion(rng: np.random.Generator, frames: int) -> list[Motion]:
    """Natural idle motion of ``frames`` frames: sway, turns, blinks, glances, drifting light."""
    names = {
        "x": (0.030, 1.2), "y": (0.020, 1.0), "scale": (0.012, 2.0), "roll": (0.035, 1.3),
        "yaw": (0.10, 1.1), "pitch": (0.06, 0.9), "brow": (0.012, 0.7), "gain": (0.02, 2.0),
        "tilt": (0.02, 2.5),
    }  # fmt: skip
    tracks = {name: a * smooth_walk(rng, frames, s) for name, (a, s) in names.items()}
    rest = {"yaw": rng.uniform(-0.12, 0.12), "pitch": rng.uniform(-0.05, 0.05)}
    blink, clock = np.zeros(frames), np.arange(frames) / 25
    at = rng.uniform(0.2, 1.8)
    while at < frames / 25:
        blink = np.maximum(blink, step(0.13, 0.03, np.abs(clock - at)))
        at += rng.uniform(1.6, 4.5)
    # glances jump, then hold
    gaze = np.zeros((frames, 2))
    start = 0
    while start < frames:
        gaze[start:] = rng.normal(0, 1, 2) * (0.012, 0.006)
        start += int(rng.integers(12, 45))
    motions = []
    for k in range(frames):
        values = {name: float(track[k] + rest.get(name, 0.0)) for name, track in tracks.items()}
        values["scale"] += 1
        values["gain"] += 1
        motions.append(
            Motion(**values, blink=float(blink[k]), gaze=(float(gaze[k, 0]), float(gaze[k, 1])))
        )
    return motions
