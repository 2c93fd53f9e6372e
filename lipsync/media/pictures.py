"""Still images, and animated ones that ffmpeg cannot decode."""

from __future__ import annotations

import io
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from lipsync.errors import MediaError, install_extra
from lipsync.media.colour import composite, parse_colour

STILLS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx"}
_MOST_BYTES = 2**30  # of an animated image's frames in memory
_BROKEN = OSError, ValueError, SyntaxError, EOFError, RuntimeError, Image.DecompressionBombError


def read_image(path: str | Path, backdrop: str = "white") -> np.ndarray:
    """Read a still image as RGB uint8 (H, W, 3), see :func:`read_rgba`; transparent pixels are
    composited onto the colour ``backdrop``."""
    rgba = read_rgba(path)
    return composite(rgba[..., :3], rgba[..., 3], parse_colour(backdrop))


def read_rgba(path: str | Path) -> np.ndarray:
    """Read a still image as RGBA uint8 (H, W, 4), upright by its EXIF orientation.

    Formats: PNG, JPEG, WebP, AVIF, BMP and TIFF; HEIC if pillow-heif is installed.

    Raises:
        MediaError: it cannot be read.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})", "check the path") from None
    if raw[4:8] == b"ftyp" and raw[8:12] in _HEIC:
        return _read_heic(path)
    data = np.frombuffer(raw, np.uint8)
    image = None
    with suppress(cv2.error):
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise MediaError(path, "cannot be decoded as a picture", "use PNG or JPEG")
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGBA)
    whole = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)  # not yet rotated
    if whole.ndim < 3 or whole.shape[2] < 4 or whole.shape[:2] != image.shape[:2]:
        return image
    image[..., 3] = whole[..., 3] if whole.dtype == np.uint8 else whole[..., 3] >> 8
    return image


def _read_heic(path: Path) -> np.ndarray:
    try:
        from pillow_heif import HeifImagePlugin  # noqa: F401  # Pillow reads HEIC from now on
    except ImportError:
        raise MediaError(
            path, "is HEIC", f"{install_extra('heic')}, or export it as JPEG"
        ) from None
    try:
        with Image.open(path) as picture:  # pillow-heif applies the rotation
            return np.array(picture.convert("RGBA"))
    except _BROKEN:
        raise MediaError(path, "cannot be decoded as a picture", "use PNG or JPEG") from None


def is_animated(path: str | Path) -> bool:
    """Whether a file is an animated image: APNG, WebP, AVIF or GIF."""
    try:
        with Image.open(path) as picture:
            return getattr(picture, "n_frames", 1) > 1 and picture.format != "TIFF"
    except (UnidentifiedImageError, *_BROKEN):
        return False


def is_decodable_by_ffmpeg(head: bytes) -> bool:
    """Whether ffmpeg can decode a file with these first 32 bytes: it cannot decode animated WebP,
    nor the alpha of AVIF."""
    webp = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and head[20:21] > b"" and head[20] & 2
    return not webp and head[4:12] != b"ftypavis"


def as_video(path: Path) -> io.BytesIO:
    """An animated image, losslessly re-encoded (FFV1) as a file that ffmpeg can decode.

    Raises:
        MediaError: it cannot be decoded, or is too large for memory.
    """
    about = path.stat()
    return io.BytesIO(_encode_ffv1(path, about.st_mtime_ns, about.st_size))


@lru_cache(2)
def _encode_ffv1(path: Path, _changed: int, _size: int) -> bytes:
    buffer = io.BytesIO()
    try:
        with Image.open(path) as picture, av.open(buffer, "w", format="nut") as container:
            width, height = picture.size
            count = getattr(picture, "n_frames", 1)
            if 4 * width * height * count > _MOST_BYTES:
                problem = f"{count} frames of {width}x{height} are too many for a picture"
                raise MediaError(path, problem, "export it as mp4")
            video = container.add_stream("ffv1", rate=25)
            video.width, video.height, video.pix_fmt = width, height, "bgra"
            video.codec_context.time_base = Fraction(1, 1000)
            at = 0
            for still in ImageSequence.Iterator(picture):
                frame = av.VideoFrame.from_ndarray(np.array(still.convert("RGBA")), format="rgba")
                frame = frame.reformat(format="bgra")
                frame.pts, frame.time_base = at, Fraction(1, 1000)
                container.mux(video.encode(frame))
                at += max(1, round(still.info.get("duration") or 40))  # milliseconds
            container.mux(video.encode(None))
    except (UnidentifiedImageError, *_BROKEN):
        raise MediaError(path, "is a damaged animated picture", "export it as mp4") from None
    return buffer.getvalue()
