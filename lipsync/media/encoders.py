"""The video encoders: for players, the web and editing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2

from lipsync.errors import ConfigError

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mxf")
"""Suffixes of videos that can be written."""
_CPU_AVX_512F = 13  # OpenCV's number for this CPU feature
# x264's AVX-512 code reads uninitialised memory (in its macroblock tree), which would make the
# output non-deterministic.
_REPEATABLE = {"x264-params": "asm=AVX2"} if cv2.checkHardwareSupport(_CPU_AVX_512F) else {}

Tuning = Callable[[int, str, bool], dict[str, str]]
"""Maps crf, preset and whether frame reordering is forbidden to the encoder's options."""


@dataclass(frozen=True)
class Encoder:
    """One way to encode video.

    Attributes:
        ffmpeg: its name in ffmpeg.
        pixels: its pixel format.
        suffixes: of the containers that can hold it.
        tuning: see :data:`Tuning`.
        alpha: pixel format with an alpha channel; "" if unsupported.
        tag: its codec tag in the container, if not the default.
    """

    ffmpeg: str
    pixels: str
    suffixes: tuple[str, ...]
    tuning: Tuning
    alpha: str = ""
    tag: str = ""

    @property
    def deep(self) -> bool:
        """Whether it keeps more than 8 bits per channel."""
        return "10" in self.pixels


def _x264(crf: int, preset: str, ordered: bool) -> dict[str, str]:
    return {"crf": str(crf), "preset": preset, **_REPEATABLE, **({"bf": "0"} if ordered else {})}


def _x265(crf: int, preset: str, ordered: bool) -> dict[str, str]:
    still = {"bf": "0"} if ordered else {}
    params = f"log-level=none{':bframes=0' if ordered else ''}"
    return {"crf": str(crf), "preset": preset, "x265-params": params, **still}


def _svt(crf: int, preset: str, ordered: bool) -> dict[str, str]:
    os.environ.setdefault("SVT_LOG", "1")  # errors only
    # 12 is its fastest preset; the low-delay structure does not reorder frames
    own = {"crf": str(max(1, crf * 63 // 51)), "preset": str(12 - PRESETS.index(preset))}
    return own | ({"svtav1-params": "pred-struct=1"} if ordered else {})


def _vpx(crf: int, preset: str, _: bool) -> dict[str, str]:
    speed = str(max(0, 8 - PRESETS.index(preset)))
    own = {"crf": str(crf * 63 // 51), "b": "0", "deadline": "good", "cpu-used": speed}
    return own | {"row-mt": "1", "auto-alt-ref": "0", **({"lossless": "1"} if crf == 0 else {})}


def _nvenc(crf: int, preset: str, ordered: bool) -> dict[str, str]:
    own = {"rc": "constqp", "qp": str(crf), "preset": f"p{min(7, 1 + PRESETS.index(preset))}"}
    return own | ({"bf": "0"} if ordered else {})


def _intra(**own: str) -> Tuning:
    """Tuning of an editing codec, whose profile determines the quality."""
    return lambda crf, preset, ordered: own


_MOVIE, _EDIT = (".mp4", ".m4v", ".mov", ".mkv"), (".mov", ".mkv")
ENCODERS = {
    "h264": Encoder("libx264", "yuv420p", _MOVIE, _x264),
    "hevc": Encoder("libx265", "yuv420p", _MOVIE, _x265, tag="hvc1"),
    "hevc10": Encoder("libx265", "yuv420p10le", _MOVIE, _x265, tag="hvc1"),
    "av1": Encoder("libsvtav1", "yuv420p10le", (".mp4", ".mkv", ".webm"), _svt),
    "vp9": Encoder("libvpx-vp9", "yuv420p", (".webm", ".mkv", ".mp4"), _vpx, alpha="yuva420p"),
    "prores": Encoder(
        "prores_ks", "yuv422p10le", _EDIT, _intra(profile="hq", vendor="apl0"), tag="apch"
    ),
    "prores4444": Encoder(
        "prores_ks", "yuv444p10le", _EDIT, _intra(profile="4444", vendor="apl0"),
        alpha="yuva444p10le", tag="ap4h",
    ),
    "dnxhr": Encoder(
        "dnxhd", "yuv422p10le", (".mov", ".mxf"), _intra(profile="dnxhr_hqx")
    ),
    "h264_nvenc": Encoder("h264_nvenc", "yuv420p", _MOVIE, _nvenc),
    "hevc_nvenc": Encoder("hevc_nvenc", "yuv420p", _MOVIE, _nvenc, tag="hvc1"),
}  # fmt: skip
"""By the names of ``--codec``: HEVC and AV1 by x265 and SVT-AV1, ProRes 422 HQ and 4444, DNxHR
HQX, and NVIDIA's hardware encoders."""
VIDEO_CODECS = ("auto", *ENCODERS)
_USUAL = {".webm": "vp9", ".mxf": "dnxhr"}


def encoder_of(path: Path, codec: str) -> tuple[str, Encoder]:
    """Name and encoder for a file; "auto" gives the default of its container.

    Raises:
        ConfigError: the container cannot hold it, or this build of ffmpeg lacks it.
    """
    suffix = path.suffix.lower()
    name = _USUAL.get(suffix, "h264") if codec == "auto" else codec
    if name not in ENCODERS:
        raise ConfigError(f"unknown video codec '{name}'; choose from {', '.join(VIDEO_CODECS)}")
    encoder = ENCODERS[name]
    if suffix not in encoder.suffixes:
        fitting = ", ".join(encoder.suffixes)
        raise ConfigError(f"{name} cannot be stored in '{suffix}'; use {fitting}, or codec=auto")
    if encoder.ffmpeg not in av.codecs_available:
        problem = f"this build of ffmpeg has no encoder {encoder.ffmpeg}"
        raise ConfigError(f"{name} cannot be encoded: {problem}; use codec=auto")
    return name, encoder
