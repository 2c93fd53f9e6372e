"""Videos with several tracks, and helpers that read a file's tracks."""

from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
from dubbing_media import SIZE, frame

from lipsync.media import Streams, read_audio

RATE = 48_000
PITCH = {"eng": 300.0, "ger": 500.0, "spa": 800.0}  # Hz, of a track's sine; "ger" is also German
LINES = [(0.2, 0.5, "Hello, <i>you</i>"), (0.6, 0.9, "Two\nlines"), (1.5, 1.9, "After it")]
SOUNDS = (("eng", "aac", "stereo"), ("ger", "ac3", "5.1(side)"), ("spa", "flac", "mono"))
DEFAULT = av.stream.Disposition.default


def film(
    path: Path,
    sounds=(("eng", "aac", "stereo"),),
    default: int | None = None,
    subtitles: str = "",
    font: bytes = b"",
) -> Path:
    """Two seconds: video, a sine per audio track, subtitles of ``LINES``, chapters, tags."""
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": "The film", "comment": "From tape"})
        one = {"id": 1, "start": 0, "end": 1200, "metadata": {"title": "One"}}
        two = {"id": 2, "start": 1200, "end": 2000, "metadata": {"title": "Two"}}
        base = {"time_base": Fraction(1, 1000)}
        container.set_chapters([one | base, two | base])
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.options = {"crf": "1", "bf": "0", "preset": "ultrafast"}
        tracks = []
        for number, (language, codec, layout) in enumerate(sounds):
            track = container.add_stream(codec, rate=RATE, layout=layout)
            track.metadata["language"] = language
            track.disposition = DEFAULT if number == default else av.stream.Disposition(0)
            tracks.append(track)
        texts = []
        for codec, language in zip(subtitles.split(), ("fre", "dut"), strict=False):
            lines = container.add_stream(codec)
            lines.codec_context.subtitle_header = b"[Script Info]\n[Events]\n"
            lines.time_base = lines.codec_context.time_base = Fraction(1, 1000)
            lines.metadata["language"] = language
            lines.codec_context.open()
            texts.append((lines, codec, "" if language == "fre" else f"{language}: "))
        if font:
            container.add_attachment("a.ttf", "font/ttf", font)
        for k in range(50):
            picture = av.VideoFrame.from_ndarray(frame(k), format="rgb24")
            picture.pts, picture.time_base = k, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for track, (language, _, layout) in zip(tracks, sounds, strict=True):
            count = track.codec_context.layout.nb_channels
            sine = 0.3 * np.sin(2 * np.pi * PITCH[language] * np.arange(2 * RATE) / RATE)
            wave = np.repeat(sine[None].astype(np.float32), count, axis=0)
            if count == 6:
                wave[3:] = 0
            block = av.AudioFrame.from_ndarray(wave, format="fltp", layout=layout)
            block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(track.encode(block))
            container.mux(track.encode(None))
        for (start, end, text), (lines, codec, before) in product(LINES, texts):
            raw = (before + text).encode()
            if codec == "mov_text":
                raw = len(raw).to_bytes(2, "big") + raw
            if codec == "ass":
                raw = b"0,0,Default,,0,0,0,," + raw.replace(b"\n", b"\\N")
            packet = av.Packet(raw)
            packet.stream, packet.time_base = lines, Fraction(1, 1000)
            packet.pts = packet.dts = round(1000 * start)
            packet.duration = round(1000 * (end - start))
            container.mux(packet)
    return path


def pitch(path: Path, number: int, **how) -> float:
    """Strongest frequency of an audio track in Hz."""
    wave = read_audio(path, 16_000, streams=Streams(audio=number), **how)[1600:14400]
    return float(np.abs(np.fft.rfft(wave)).argmax() * 16_000 / len(wave))


def audio(path: Path) -> list[tuple[str, str, str, bool]]:
    with av.open(str(path)) as container:
        return [
            (
                one.metadata.get("language", ""),
                one.codec_context.codec.canonical_name,
                one.codec_context.layout.name,
                bool(one.disposition & DEFAULT),
            )
            for one in container.streams.audio
        ]


def subtitles(path: Path, number: int = 0) -> list[tuple[float, float, str]]:
    """The non-empty lines of a subtitle track."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[number]
        mov = stream.codec_context.codec.canonical_name == "mov_text"
        found = []
        for packet in container.demux(stream):
            text = bytes(packet)[2 * mov :].decode()
            if text:
                start = float(packet.pts * packet.time_base)
                found.append((start, start + float(packet.duration * packet.time_base), text))
        return found
