"""BT.709 pictures encoded as HDR: PQ (SMPTE ST 2084) and HLG (ITU-R BT.2100)."""

from __future__ import annotations

import av
import numpy as np

_TO_2020 = np.linalg.inv(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
WHITE = 203  # reference white, in candela per square metre


def pq(light: np.ndarray) -> np.ndarray:
    power = (light / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(light: np.ndarray) -> np.ndarray:
    scene = (light / 1000) ** (1 / 1.2)
    high = 0.17883277 * np.log(np.maximum(12 * scene, 1) - 0.28466892) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def coder(code):
    """Make a function that encodes pictures as 10-bit YUV 4:2:0 frames with the BT.2020 matrix."""

    def coded(picture: np.ndarray) -> av.VideoFrame:
        light = WHITE * (picture / 255) ** 2.4 @ _TO_2020.T
        red, green, blue = np.moveaxis(code(np.maximum(light, 0)), 2, 0)
        y = 0.2627 * red + 0.6780 * green + 0.0593 * blue
        u, v = (blue - y) / 1.8814, (red - y) / 1.4746
        half = [part.reshape(part.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3)) for part in (u, v)]
        frame = av.VideoFrame(picture.shape[1], picture.shape[0], "yuv420p10le")
        planes = [64 + 876 * y, *(512 + 896 * part for part in half)]
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
            rows[:, : plane.width] = np.round(values)
            plane.update(rows.tobytes())
        return frame

    return coded
