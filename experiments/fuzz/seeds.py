"""Small media files of many kinds: a generated head that speaks for a second."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from lipsync.media import write_audio
from lipsync.sample.corpus import make_clip

SIDE, SECONDS, RATE = 160, 1.0, 48_000
KINDS = {  # name: container, video codec, pixel format, audio codec, options
    "h264.mp4": ("mp4", "libx264", "yuv420p", "aac", {}),
    "parts.mp4": ("mp4", "libx264", "yuv420p", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "hevc.mp4": ("mp4", "libx265", "yuv420p10le", "aac", {}),
    "prores.mov": ("mov", "prores_ks", "yuv422p10le", "pcm_s16le", {}),
    "h264.mkv": ("matroska", "libx264", "yuv420p", "aac", {}),
    "vp9.webm": ("webm", "libvpx-vp9", "yuv420p", "libopus", {}),
    "mpeg4.avi": ("avi", "mpeg4", "yuv420p", "libmp3lame", {}),
    "mpeg2.ts": ("mpegts", "mpeg2video", "yuv420p", "mp2", {}),
    "mpeg2.mpg": ("mpeg", "mpeg2video", "yuv420p", "mp2", {}),
    "mpeg2.mxf": ("mxf", "mpeg2video", "yuv420p", "pcm_s16le", {}),
    "flv1.flv": ("flv", "flv", "yuv420p", "libmp3lame", {}),
    "wmv2.asf": ("asf", "wmv2", "yuv420p", "libmp3lame", {}),
    "head.gif": ("gif", "gif", "rgb8", None, {}),
    "sound.mp3": ("mp3", None, None, "libmp3lame", {}),
    "sound.flac": ("flac", None, None, "flac", {}),
    "sound.ogg": ("ogg", None, None, "libopus", {}),
}
PICTURES = ("head.png", "head.jpg", "still.webp", "moving.webp", "moving.png", "moving.avif")


def make_seeds(folder: Path) -> list[Path]:
    """Write all seed files; returns their paths, always in the same order."""
    folder.mkdir(parents=True, exist_ok=True)
    made = make_clip(0, 0, 0, SECONDS, SIDE)
    frames = list(made.frames)
    wave = np.interp(
        np.arange(round(SECONDS * RATE)) / RATE, np.arange(len(made.wave)) / 16_000, made.wave
    )
    for name, kind in KINDS.items():
        mux(folder / name, *kind, frames=frames, wave=wave.astype(np.float32))
    stills = [Image.fromarray(frame) for frame in frames[:12]]
    for name in PICTURES:
        more = {"save_all": True, "append_images": stills[1:], "duration": 40}
        stills[0].save(folder / name, **(more if name.startswith("moving") else {}))
    write_audio(folder / "sound.wav", made.wave)
    return sorted(folder.iterdir())


def mux(
    path: Path,
    container: str,
    codec: str | None,
    pixels: str | None,
    sound: str | None,
    options: dict[str, str],
    frames: list[np.ndarray],
    wave: np.ndarray,
) -> None:
    with av.open(str(path), "w", format=container, options=options) as output:
        video = output.add_stream(codec, rate=25) if codec else None
        audio = output.add_stream(sound, rate=RATE, layout="mono") if sound else None
        if video is not None:
            video.width, video.height, video.pix_fmt = SIDE, SIDE, pixels
            if codec == "libx265":
                video.options = {"x265-params": "log-level=none"}
            for number, frame in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)
                picture.pts, picture.time_base = number, Fraction(1, 25)
                output.mux(video.encode(picture))
            output.mux(video.encode(None))
        if audio is not None:
            kinds = {one.name for one in audio.codec_context.codec.audio_formats}
            kind = "fltp" if "fltp" in kinds else "s16p" if "s16p" in kinds else "s16"
            kind = "flt" if "flt" in kinds else kind
            whole = kind.startswith("s16")
            block = (wave * 32767).astype(np.int16) if whole else wave
            size = audio.codec_context.frame_size or 1024
            for at in range(0, len(block), size):
                piece = np.ascontiguousarray(block[None, at : at + size])
                part = av.AudioFrame.from_ndarray(piece, format=kind, layout="mono")
                part.sample_rate, part.pts, part.time_base = RATE, at, Fraction(1, RATE)
                output.mux(audio.encode(part))
            output.mux(audio.encode(None))
