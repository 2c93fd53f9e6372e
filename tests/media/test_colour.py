"""HDR, wide gamuts and alpha are converted to BT.709 with the intended appearance."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lipsync.dubbing.source import open_source
from lipsync.errors import ConfigError
from lipsync.media import probe, read_frames, read_image

# SDR colours of the patches, including cheek skin, black, grey and white
PATCHES = np.array(
    [[139, 105, 100], [60, 40, 35], [0, 0, 0], [128, 128, 128], [190, 190, 190], [90, 120, 200]]
)
_TO_2020 = np.linalg.inv(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)


def pq(light: np.ndarray) -> np.ndarray:
    """Luminance in cd/m2 to PQ code values, by SMPTE ST 2084."""
    power = (light / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(light: np.ndarray) -> np.ndarray:
    """Light of a 1000 cd/m2 display to HLG code values, by ITU-R BT.2100."""
    scene = (light / 1000) ** (1 / 1.2)
    high = 0.17883277 * np.log(np.maximum(12 * scene, 1) - 0.28466892) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def write(path: Path, coded: np.ndarray, transfer: int, primaries: int) -> Path:
    """A 10-bit video of patches (n, 3) in [0, 1], of 32 pixels each, in the YUV of BT.2020."""
    red, green, blue = np.kron(coded.T[:, None], np.ones((1, 64, 32)))
    y = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    u, v = (blue - y) / 1.8814, (red - y) / 1.4746
    planes = [64 + 876 * y, 512 + 896 * u[::2, ::2], 512 + 896 * v[::2, ::2]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = y.shape[1], y.shape[0], "yuv420p10le"
        stream.options = {"x265-params": "log-level=none:crf=1"}
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = primaries, transfer, 9
        context.color_range = 1
        frame = av.VideoFrame(y.shape[1], y.shape[0], "yuv420p10le")
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
            rows[:, : plane.width] = np.round(values)
            plane.update(rows.tobytes())
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def patches(picture: np.ndarray) -> np.ndarray:
    return np.array([picture[24:40, x + 12 : x + 20].mean((0, 1)) for x in range(0, 192, 32)])


@pytest.mark.parametrize(("name", "transfer", "code"), [("PQ", 16, pq), ("HLG", 18, hlg)])
def test_hdr_is_tone_mapped(tmp_path: Path, name: str, transfer: int, code) -> None:
    light = 203 * (PATCHES / 255) ** 2.4  # reference white of ITU-R BT.2408
    path = write(tmp_path / "hdr.mkv", code(light @ _TO_2020.T), transfer, 9)
    assert probe(path).hdr == open_source(path).hdr == name
    ((_, picture),) = read_frames(path)
    assert np.abs(patches(picture) - PATCHES).max() <= 4
    bright = np.array([[k * 203.0] * 3 for k in (0.5, 0.8, 1.0, 1.5, 2.5, 4.5)])
    ((_, picture),) = read_frames(write(tmp_path / "high.mkv", code(bright), transfer, 9))
    levels = patches(picture).mean(axis=1)
    assert (np.diff(levels) >= 0.9).all()  # highlights are compressed, not clipped
    assert levels[-1] <= 255


def test_a_wide_gamut_is_brought_to_bt709(tmp_path: Path) -> None:
    coded = ((PATCHES / 255) ** 2.4 @ _TO_2020.T) ** (1 / 2.4)
    path = write(tmp_path / "wide.mkv", coded, 14, 9)
    assert probe(path).hdr == ""
    ((_, picture),) = read_frames(path)
    assert np.abs(patches(picture) - PATCHES).max() <= 4


def test_ten_bits_of_sdr_are_only_rounded(tmp_path: Path) -> None:
    """In BT.2020's matrix, with the primaries of BT.709."""
    ((_, picture),) = read_frames(write(tmp_path / "ten.mkv", PATCHES / 255, 1, 1))
    assert np.abs(patches(picture) - PATCHES).max() <= 2


BACKDROPS = {"white": (255, 255, 255), "black": (0, 0, 0), "#204060": (32, 64, 96)}


@pytest.mark.parametrize("colour", BACKDROPS)
@pytest.mark.parametrize("suffix", [".png", ".mov", ".gif", ".webp"])
def test_what_is_transparent_is_laid_on_a_colour(tmp_path: Path, suffix: str, colour: str) -> None:
    """Opaque, half transparent, and fully transparent with another colour beneath."""
    rgba = np.zeros((48, 96, 4), np.uint8)
    rgba[..., :3] = (200, 30, 90)
    rgba[..., 3] = np.repeat([255, 255 if suffix == ".gif" else 128, 0], 32)
    path = tmp_path / f"face{suffix}"
    if suffix in (".png", ".webp"):
        quality = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []  # lossless
        cv2.imwrite(str(path), rgba[..., [2, 1, 0, 3]], quality)
        picture = read_image(path, colour)
    else:
        write_clear(path, rgba)
        ((_, picture),) = read_frames(path, backdrop=colour)
    np.testing.assert_array_equal(next(open_source(path, backdrop=colour).frames())[1], picture)
    clear, own = np.array(BACKDROPS[colour]), np.array((200, 30, 90))
    assert np.abs(picture[24, 16] - own).max() <= 6
    assert np.abs(picture[24, 80] - clear.astype(int)).max() <= 1
    if suffix != ".gif":
        assert np.abs(picture[24, 48] - (own + clear) / 2).max() <= 6


def write_clear(path: Path, rgba: np.ndarray) -> None:
    """One frame as a GIF, or as PNG in QuickTime."""
    with av.open(str(path), "w") as container:
        gif = path.suffix == ".gif"
        stream = container.add_stream("gif" if gif else "png", rate=25)
        stream.height, stream.width = rgba.shape[:2]
        stream.pix_fmt = "pal8" if gif else "rgba"
        frame = av.VideoFrame.from_ndarray(rgba, format="rgba")
        if gif:
            indices = np.where(rgba[..., 3] > 0, 1, 0).astype(np.uint8)
            palette = np.zeros((256, 4), np.uint8)
            palette[1] = (255, 200, 30, 90)  # alpha, red, green, blue
            frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_backdrop_is_a_colour() -> None:
    with pytest.raises(
        ConfigError,
        match=r"a colour must be #rrggbb or one of white, .*, got 'pinkish'",
    ):
        next(read_frames("any.mp4", backdrop="pinkish"))
