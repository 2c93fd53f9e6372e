"""Conversion of decoded frames (HDR, wide gamut, alpha) to 8-bit BT.709 RGB."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorPrimaries, ColorTrc, VideoReformatter

from lipsync.errors import ConfigError

COLOURS = {"white": "#ffffff", "grey": "#808080", "black": "#000000", "green": "#00b140"}
"""Named background colours for transparent images."""
_WHITE = 203.0  # cd/m2: HDR reference white (ITU-R BT.2408), mapped to SDR white
_KNEE = 0.8  # share of white above which light is compressed instead of clipped
_NODES = 65  # of the lookup table along each axis
_SYSTEM = 1.2  # HLG system gamma at 1000 cd/m2, applied per channel as in zimg
HDR = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
_TO_BT709 = {  # linear light, by a frame's primaries
    ColorPrimaries.BT2020: np.array(
        [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    ),
    ColorPrimaries.SMPTE432: np.array(  # Display P3
        [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]
    ),
}


class ToRGB:
    """Converts the frames of one video.

    PQ and HLG are tone-mapped (reference white becomes white, highlights are compressed), BT.2020
    and Display P3 converted to BT.709. Transparent pixels are composited onto a colour.

    Args:
        backdrop: the colour, see :func:`parse_colour`.
        deep: return full bit depth and the alpha channel instead.
    """

    def __init__(self, backdrop: str = "white", deep: bool = False) -> None:
        self._to_rgb, self._backdrop, self._deep = VideoReformatter(), parse_colour(backdrop), deep
        self._graph: Graph | None = None
        self._kind: tuple = ()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """uint8 (H, W, 3) RGB; or uint16 (H, W, 4) RGBA."""
        if frame.color_trc in HDR or frame.color_primaries in _TO_BT709:
            frame = self._tone_map(frame)
        if self._deep or is_deep(frame):  # via 16 bits: straight to 8 loses 1.5 levels
            rgba = self._to_rgb.reformat(frame, format="rgba64le", threads=1).to_ndarray()
            if self._deep:
                return rgba
            rgba = cv2.convertScaleAbs(rgba, alpha=1 / 257)
            return composite(rgba[..., :3], rgba[..., 3], self._backdrop)
        if has_alpha(frame):
            rgba = self._to_rgb.reformat(frame, format="rgba", threads=1).to_ndarray()
            return composite(rgba[..., :3], rgba[..., 3], self._backdrop)
        # one thread: distributing slices of a frame costs more than converting it
        return self._to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()

    def _tone_map(self, frame: av.VideoFrame) -> av.VideoFrame:
        kind = frame.width, frame.height, frame.color_trc, frame.color_primaries
        if kind != self._kind:
            self._graph, self._kind = _graph(*kind), kind
        coded = self._to_rgb.reformat(frame, format="gbrp10le", threads=1)
        coded.pts = None
        self._graph.push(coded)
        return self._graph.pull()


def is_deep(frame: av.VideoFrame) -> bool:
    """Whether a frame has more than 8 bits per channel."""
    return max(part.bits for part in frame.format.components) > 8


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether a frame has an alpha channel."""
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def parse_colour(colour: str) -> np.ndarray:
    """uint8 (3,) of a name in ``COLOURS``, or of ``#rrggbb``.

    Raises:
        ConfigError: anything else.
    """
    text = COLOURS.get(colour, colour)
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ConfigError(
            f"a colour must be #rrggbb or one of {', '.join(COLOURS)}, got '{colour}'"
        )
    return np.frombuffer(bytes.fromhex(text[1:]), np.uint8)


def composite(picture: np.ndarray, alpha: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
    """Composite an image, uint8 (H, W, 3), with alpha, uint8 (H, W), onto a colour (3,)."""
    if alpha.min() == 255:
        return np.ascontiguousarray(picture)
    share = alpha[..., None].astype(np.uint16)
    return ((picture * share + backdrop * (255 - share) + 127) // 255).astype(np.uint8)


def _graph(width: int, height: int, transfer: int, primaries: int) -> Graph:
    """A 3D LUT filter; the table is passed in a temporary file, which ffmpeg reads immediately."""
    graph = Graph()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.cube"
        path.write_text(_table(transfer, primaries))
        size = f"video_size={width}x{height}:pix_fmt=gbrp10le:time_base=1/1"
        filters = graph.add("buffer", size), graph.add("lut3d", file=str(path))
        graph.link_nodes(*filters, graph.add("buffersink")).configure()
    return graph


@cache
def _table(transfer: int, primaries: int) -> str:
    """A lookup table in Adobe's .cube format, red fastest."""
    axis = np.linspace(0, 1, _NODES)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    colours = to_bt709(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer, primaries)
    rows = "\n".join("{:.5f} {:.5f} {:.5f}".format(*colour) for colour in colours)
    return f"LUT_3D_SIZE {_NODES}\n{rows}\n"


def to_bt709(colours: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Encoded HDR or wide-gamut colours (n, 3) in [0, 1] to encoded BT.709 in [0, 1].

    PQ is SMPTE ST 2084, HLG ITU-R BT.2100; everything else is treated as SDR gamma (BT.1886).
    """
    if HDR.get(transfer) == "PQ":
        power = colours ** (1 / 78.84375)
        ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        light = 10_000 / _WHITE * ratio ** (1 / 0.1593017578125)
    elif HDR.get(transfer) == "HLG":
        high = (np.exp((colours - 0.55991073) / 0.17883277) + 0.28466892) / 12
        scene = np.where(colours <= 0.5, colours**2 / 3, high)
        light = 1000 / _WHITE * scene**_SYSTEM
    else:
        light = colours**2.4
    light = np.maximum(light @ _TO_BT709.get(primaries, np.eye(3)).T, 0)
    brightest = light.max(axis=1, keepdims=True)
    above = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    if transfer in HDR:  # by the largest channel, to preserve hue
        kept = np.minimum(brightest, _KNEE) + (1 - _KNEE) * above / (1 + above)
        light = light * kept / np.maximum(brightest, 1e-9)
    return np.clip(light, 0, 1) ** (1 / 2.4)
