"""The kinds of media, grouped, each under a name that says what is special about it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from card import BEGIN, RATE, SECONDS, Card
from hdr import coder, hlg, pq
from making import Recipe, turned, write
from PIL import Image

from lipsync.errors import MediaError

X265 = {"x265-params": "log-level=none"}
BT709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}
_RNG = np.random.default_rng(1)
VARYING = [0.0, *np.cumsum(_RNG.choice([0.02, 0.033, 0.05, 0.08], 30)).round(3)]
VARYING = sorted({*(t for t in VARYING if t < SECONDS), BEGIN})


def stored(low: float, high: float) -> Callable[[np.ndarray], np.ndarray]:
    """Band-limit the sound to a range in Hz."""

    def within(wave: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(wave)
        hertz = np.fft.rfftfreq(len(wave), 1 / RATE)
        spectrum[(hertz < low) | (hertz > high)] = 0
        return np.fft.irfft(spectrum, len(wave)).astype(np.float32)

    return within


def cancelling(wave: np.ndarray) -> np.ndarray:
    return np.stack([wave, -wave])


def in_the_middle(wave: np.ndarray) -> np.ndarray:
    """5.1 sound, with the speech in the centre channel."""
    surround = np.zeros((6, len(wave)), np.float32)
    surround[2] = wave
    return surround


def halved(frame: np.ndarray) -> np.ndarray:
    """Add transparency at the top and bottom edge, where nothing is measured."""
    alpha = np.full((*frame.shape[:2], 1), 255, np.uint8)
    alpha[:6] = alpha[-6:] = 0
    return np.concatenate([frame, alpha], axis=2)


def _rot(turns: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda frame: np.ascontiguousarray(np.rot90(frame, -turns))


PQ = {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}
HLG = PQ | {"color_trc": 18}
VIDEOS: dict[str, tuple[str, Recipe]] = {
    # containers and codecs
    "H.264 and AAC": (".mp4", Recipe()),
    "in m4v": (".m4v", Recipe()),
    "fragmented": (".mp4", Recipe(container={"movflags": "frag_keyframe+empty_moov"})),
    "open groups, B-frames": (".mp4", Recipe(options={"bf": "3", "g": "10", "flags": "-cgop"})),
    "4:4:4": (".mp4", Recipe(pixels="yuv444p")),
    "full range": (".mp4", Recipe(pixels="yuvj420p", tags={"color_range": 2})),
    "BT.709 said": (".mp4", Recipe(tags=BT709)),
    "H.264 and PCM": (".mov", Recipe(sound="pcm_s16le")),
    "H.264 and FLAC": (".mkv", Recipe(sound="flac")),
    "H.264 and Opus": (".mkv", Recipe(sound="libopus")),
    "HEVC": (".mp4", Recipe("libx265", options=X265)),
    "AV1": (".mp4", Recipe("libsvtav1", options={"preset": "10"})),
    "VP9 and Opus": (".webm", Recipe("libvpx-vp9", sound="libopus", options={"crf": "20"})),
    "VP8 and Opus": (".webm", Recipe("libvpx", sound="libopus")),
    "MPEG-4 and MP3": (".avi", Recipe("mpeg4", sound="libmp3lame")),
    "motion JPEG and PCM": (".avi", Recipe("mjpeg", "yuvj420p", "pcm_s16le")),
    "FLV1 and MP3": (".flv", Recipe("flv", sound="libmp3lame", sample_rate=44_100)),
    "H.264 in FLV": (".flv", Recipe()),
    "H.264 in MPEG-TS": (".ts", Recipe()),
    "MPEG-2 in MPEG-TS": (".ts", Recipe("mpeg2video", sound="mp2")),
    "MPEG-2 and MP2": (".mpg", Recipe("mpeg2video", sound="mp2")),
    "MPEG-2 and PCM": (".mxf", Recipe("mpeg2video", "yuv422p", "pcm_s16le")),
    "WMV2 and MP3": (".asf", Recipe("wmv2", sound="libmp3lame")),
    "MPEG-4 and AMR": (
        ".3gp", Recipe("mpeg4", sound="libopencore_amrnb", sample_rate=8000),
    ),
    "FFV1 and FLAC": (".nut", Recipe("ffv1", sound="flac")),
    "FFV1": (".mkv", Recipe("ffv1", sound="flac")),
    "HuffYUV": (".avi", Recipe("huffyuv", "yuv422p", "pcm_s16le")),
    "ProRes": (".mov", Recipe("prores_ks", "yuv422p10le", "pcm_s24le")),
    "DNxHR": (
        ".mov",
        Recipe("dnxhd", "yuv422p", "pcm_s16le", options={"profile": "dnxhr_hq"}, tags=BT709),
    ),
    "PNG in MOV": (".mov", Recipe("png", "rgb24", "pcm_s16le")),
    "QuickTime RLE": (".mov", Recipe("qtrle", "rgb24", "pcm_s16le")),
    # rates
    "12 fps": (".mp4", Recipe(rate=12)),
    "23.976": (".mp4", Recipe(rate=Fraction(24000, 1001))),
    "29.97": (".mp4", Recipe(rate=Fraction(30000, 1001))),
    "50": (".mp4", Recipe(rate=50)),
    "60": (".mkv", Recipe(rate=60)),
    "variable": (".mp4", Recipe(times=VARYING)),
    "variable in mkv": (".mkv", Recipe(times=VARYING)),
    # geometry
    "pixels 2:1": (".mkv", Recipe(aspect=Fraction(2))),
    "pixels 1:2": (".mp4", Recipe(aspect=Fraction(1, 2))),
    "pixels 16:15": (".mp4", Recipe(aspect=Fraction(16, 15))),
    "pixels 4:3, HDV": (".ts", Recipe(aspect=Fraction(4, 3), shape=None)),
    "rotated by 90": (".mp4", Recipe(shape=_rot(1))),
    "rotated by 180": (".mp4", Recipe(shape=_rot(2))),
    "rotated by 270": (".mp4", Recipe(shape=_rot(3))),
    "MPEG-2, interlaced": (
        ".mpg",
        Recipe("mpeg2video", sound="mp2", options={"flags": "+ilme+ildct"}, fields=True),
    ),
    "H.264, interlaced": (".mp4", Recipe(options={"x264-params": "tff=1"}, fields=True)),
    # clocks
    "edit list hides 0.4 s": (".mp4", Recipe(begins=0.4, options={"bf": "0"})),
    "edit list, B-frames": (".mov", Recipe(begins=0.4)),
    "begins at 3 s": (".mkv", Recipe(late=3.0)),
    "begins at 3 s in TS": (".ts", Recipe(late=3.0)),
    # colour
    "PQ": (".mp4", Recipe("libx265", "yuv420p10le", options=X265, coded=coder(pq), tags=PQ)),
    "HLG": (".mp4", Recipe("libx265", "yuv420p10le", options=X265, coded=coder(hlg), tags=HLG)),
    "10 bits": (".mp4", Recipe("libx265", "yuv420p10le", options=X265)),
    "10 bits H.264": (".mkv", Recipe("libx264", "yuv420p10le")),
    "alpha in VP9": (
        ".webm", Recipe("libvpx-vp9", "yuva420p", "libopus", shape=halved, options={"crf": "20"}),
    ),
    "alpha in ProRes": (
        ".mov",
        Recipe("prores_ks", "yuva444p10le", "pcm_s16le", options={"profile": "4444"}, shape=halved),
    ),
    "alpha in RLE": (".mov", Recipe("qtrle", "argb", "pcm_s16le", shape=halved)),
    # sound
    "stereo": (".mp4", Recipe(layout="stereo", sample_rate=44_100)),
    "5.1 AAC": (".mp4", Recipe(layout="5.1", wave=in_the_middle)),
    "5.1 AC-3": (".mkv", Recipe(layout="5.1", sound="ac3", wave=in_the_middle)),
    "channels that cancel": (".mkv", Recipe(layout="stereo", sound="flac", wave=cancelling)),
    "telephone, mu-law 8 kHz": (
        ".mov", Recipe(sound="pcm_mulaw", sample_rate=8000, wave=stored(300, 3400)),
    ),
    "96 kHz": (".mkv", Recipe(sound="flac", sample_rate=96_000)),
    "40 dB too quiet": (".mp4", Recipe(wave=lambda wave: 0.01 * wave)),
    # streams
    "cover art": (".mp4", Recipe(more="cover")),
    "two videos, the second default": (".mkv", Recipe(more="video")),
    "two sounds, the second default": (".mkv", Recipe(more="audio")),
}  # fmt: skip
TURNED = {"rotated by 90": 90, "rotated by 180": 180, "rotated by 270": 270}
PICTURES = {
    "PNG": ".png", "PNG, 16 bits": ".png", "PNG, alpha": ".png", "JPEG": ".jpg",
    "JPEG, EXIF rotation": ".jpg", "WebP": ".webp", "AVIF": ".avif", "HEIC": ".heic", "BMP": ".bmp",
    "TIFF": ".tif", "animated GIF": ".gif", "animated PNG": ".png", "animated WebP": ".webp",
    "animated AVIF": ".avif",
}  # fmt: skip


def times(name: str) -> list[float]:
    """Presentation times of the frames of a moving kind."""
    if name in VIDEOS:
        return [time for time in VIDEOS[name][1].shown() if time >= 0]
    return [k / 25 for k in range(30)]


def make(folder: Path, name: str, card: Card) -> tuple[Path, bool]:
    """Write a file of one kind; returns its path, and whether it is moving.

    Raises:
        MediaError: the encoder for it is not installed.
    """
    if name in VIDEOS:
        suffix, recipe = VIDEOS[name]
        path = write(folder / f"media{suffix}", card, recipe)
        if name in TURNED:
            turned(path, TURNED[name])
        return path, True
    path = folder / f"media{PICTURES[name]}"
    moving = name.startswith("animated")
    _picture(path, name, card, moving)
    return path, moving


def _picture(path: Path, name: str, card: Card, moving: bool) -> None:
    first = card.frame(0.0)
    if name == "PNG, 16 bits":
        cv2.imwrite(str(path), first[..., ::-1].astype(np.uint16) * 257)
        return
    picture = Image.fromarray(halved(first) if "alpha" in name else first)
    more = {}
    if name == "HEIC":
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise MediaError(path, "cannot be made", "install pillow-heif") from None
        register_heif_opener()
    if name == "JPEG, EXIF rotation":
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6
        more["exif"] = exif
    if moving:
        rest = [Image.fromarray(card.frame(k / 25)) for k in range(1, 30)]
        more = {"save_all": True, "append_images": rest, "duration": 40, "loop": 0}
        if name == "animated WebP":
            more["lossless"] = True
    picture.save(path, **more, **({"quality": 95} if path.suffix in (".jpg", ".avif") else {}))
