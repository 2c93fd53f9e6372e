"""Decode and encode video and audio by timestamp, streaming, through PyAV.

Frames travel as ``(seconds, rgb)`` pairs on the container's common clock, so that odd and variable
frame rates, and streams that start at different times, are handled where the numbers are and not
by counting frames. Nothing passes through a shell; a path is always a local file, never a URL or
another protocol.
"""

from __future__ import annotations

import uuid
import wave as wavfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from lipsync.errors import ConfigError, MediaError

_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv"}
_ITUNES_TAGS = {"title", "artist", "album", "comment", "copyright", "description", "genre"}
_AAC_BIT_RATE = 96_000  # close to the most that AAC can use for 16 kHz mono
_GAP = 0.015  # seconds; timestamps of sound that jump by more are a hole or an overlap


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds, without decoding more of it than its first frame.

    ``width`` and ``height`` are those of the upright picture; ``rotation`` is what was applied to
    get there, in degrees counter-clockwise. ``frames`` and the durations are the container's
    word, ``None`` and 0.0 where it does not say. Pictures count as video of one frame.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    frames: int | None
    video_seconds: float
    audio_seconds: float
    has_video: bool
    has_audio: bool
    rotation: int


# ---------------------------------------------------------------- reading


@contextmanager
def _opened(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a local file, whatever it is called, and name it in every failure."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            file.read(1)
        if path.stat().st_size == 0:
            raise MediaError(path, "the file is empty (0 bytes)", "copy or download it again")
    except FileNotFoundError:
        raise MediaError(path, "no such file", "check the path") from None
    except IsADirectoryError:
        raise MediaError(path, "is a folder", "name a file") from None
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})", "check its rights") from None
    try:
        # "file:" keeps ffmpeg from reading "concat:..." or "http:..." into a name; from there it
        # follows no playlist to the network either.
        container = av.open(f"file:{path}")
    except (av.error.FFmpegError, ValueError):
        raise MediaError(
            path,
            "not a video or sound that can be decoded, or cut short before its index",
            "check that it plays, or export it again as mp4",
        ) from None
    with container:
        yield container


def _video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first real video stream; a cover picture of a song is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def _seconds(stream: av.stream.Stream | None, container: av.container.InputContainer) -> float:
    if stream is None:
        return 0.0
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def _decoded(
    path: Path,
    container: av.container.InputContainer,
    stream: av.stream.Stream,
    *,
    tolerant: bool,
    threads: int = 1,
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """Decode one stream; damage raises with its time, or is left to the decoder to conceal."""
    context = stream.codec_context
    if context is None:
        raise MediaError(path, f"no decoder for its {stream.type}", "convert it to H.264 and AAC")
    if stream.type == "video":
        context.thread_type, context.thread_count = "AUTO", threads
        if not tolerant:
            # Frame threads lose some flags of corrupt frames at random, unless errors stop them.
            context.options = {"err_detect": "explode"}
    time = 0.0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            if packet.pts is not None:
                time = float(packet.pts * packet.time_base)
            damaged = packet.is_corrupt
            frames = packet.decode()
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            damaged, frames = True, []
        damaged = damaged or any(getattr(frame, "is_corrupt", False) for frame in frames)
        if damaged and not tolerant:
            raise MediaError(
                path,
                f"its {stream.type} is damaged at about {time:.2f} s",
                "repair it, or allow damage to be concealed",
            )
        yield from frames


def _first_frame(path: Path) -> tuple[float, av.VideoFrame] | None:
    with _opened(path) as container:
        stream = _video_stream(container)
        if stream is not None:
            for frame in _decoded(path, container, stream, tolerant=True):
                return frame.time or 0.0, frame
    return None


def probe(path: str | Path) -> MediaInfo:
    """Say what a file holds.

    Raises:
        MediaError: the file is missing, a folder, empty, or holds neither video nor sound.
    """
    path = Path(path)
    with _opened(path) as container:
        video = _video_stream(container)
        audio = container.streams.audio[0] if container.streams.audio else None
        if video is None and audio is None:
            raise MediaError(path, "holds neither video nor sound", "name a video or a sound")
        audio_seconds, video_seconds = _seconds(audio, container), _seconds(video, container)
        fps = (video.average_rate or video.guessed_rate or Fraction(25)) if video else Fraction(0)
        frames = (video.frames or None) if video else None
    first = _first_frame(path) if video else None
    if video and first is None:
        raise MediaError(path, "no frame of its video can be decoded", "export it again as mp4")
    rotation = int(first[1].rotation) if first else 0
    size = (first[1].width, first[1].height) if first else (0, 0)
    width, height = size if rotation % 180 == 0 else size[::-1]
    return MediaInfo(
        path, width, height, fps, frames, video_seconds, audio_seconds,
        video is not None, audio is not None, rotation,
    )  # fmt: skip


def read_frames(
    path: str | Path, *, rotate: bool = True, tolerate_damage: bool = False, threads: int = 1
) -> Iterator[tuple[float, np.ndarray]]:
    """Stream a video's frames in the order of display.

    Args:
        path: any file that holds video.
        rotate: turn the picture upright as the file's display rotation says.
        tolerate_damage: take what the decoder can conceal, instead of an error.
        threads: of the decoder; 0 for one per core, which is faster on large pictures and may
            overlook slight damage.

    Yields:
        ``(time, frame)``: seconds on the clock that sound shares; RGB uint8 (H, W, 3).

    Raises:
        MediaError: not readable, no video, or damaged (the message says at which second).
    """
    path = Path(path)
    with _opened(path) as container:
        stream = _video_stream(container)
        if stream is None:
            raise MediaError(path, "has no video", "name a video file")
        step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        time, count = -step, 0
        to_rgb = VideoReformatter()
        for frame in _decoded(path, container, stream, tolerant=tolerate_damage, threads=threads):
            time = frame.time if frame.time is not None else time + step
            count += 1
            # one thread: handing slices of a frame around costs more than converting it
            image = to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
            turns = round(frame.rotation / 90) % 4 if rotate else 0
            yield time, np.ascontiguousarray(np.rot90(image, turns)) if turns else image
        if not count:
            raise MediaError(path, "no frame of its video can be decoded", "export it again as mp4")


def resample_frames(
    frames: Iterator[tuple[float, np.ndarray]],
    fps: Fraction | float,
    *,
    duration: float | None = None,
) -> Iterator[np.ndarray]:
    """Bring timed frames to a constant rate: frame k is the one nearest to ``start + k / fps``.

    ``start`` is the time of the first frame. Without ``duration`` (seconds) the video is taken to
    last one mean frame interval beyond its last frame, so that n frames at ``fps`` stay n frames.
    A longer ``duration`` repeats the last frame.
    """
    fps = float(fps)
    total = None if duration is None else round(duration * fps)
    k, count, start = 0, 0, 0.0
    held: tuple[float, np.ndarray] | None = None
    for time, image in frames:
        if held is None:
            start = time
        elif time <= held[0]:
            continue  # a clock that steps back; keep the first word
        else:
            middle = (held[0] + time) / 2 - start
            while k / fps < middle and (total is None or k < total):
                yield held[1]
                k += 1
        if total is not None and k >= total:
            return
        held, count = (time, image), count + 1
    if held is None:
        return
    if total is None:
        interval = (held[0] - start) / (count - 1) if count > 1 else 1 / fps
        total = max(1, round((held[0] - start + interval) * fps))
    while k < total:
        yield held[1]
        k += 1


def read_audio(
    path: str | Path, sample_rate: int = 16000, *, tolerate_damage: bool = False
) -> np.ndarray:
    """Read a file's sound as float32 (n,), mono, in [-1, 1], at ``sample_rate``.

    Channels are mixed by ffmpeg's normalised matrix (equal channels keep their level). When the
    file has video, sample 0 is the time of its first frame: earlier sound is cut and a late start,
    like any hole in the timestamps, is silence.

    Raises:
        MediaError: not readable, no sound, or damaged (the message says at which second).
    """
    path = Path(path)
    first = _first_frame(path)
    pieces: list[tuple[float, list[np.ndarray]]] = []  # runs without a hole: (seconds, blocks)
    with _opened(path) as container:
        if not container.streams.audio:
            raise MediaError(path, "has no sound", "name a file with sound")
        stream = container.streams.audio[0]
        length = _seconds(stream, container)
        resampler, expected = None, None
        for frame in _decoded(path, container, stream, tolerant=tolerate_damage):
            time = frame.time if frame.time is not None else expected or 0.0
            if expected is None or abs(time - expected) > _GAP:
                _drain(resampler, pieces)
                # s32: the integer target makes ffmpeg normalise the mix of channels
                resampler = av.AudioResampler(format="s32", layout="mono", rate=sample_rate)
                pieces.append((time, []))
                expected = time
            expected += frame.samples / frame.sample_rate
            frame = _finite(frame)
            frame.pts = None
            pieces[-1][1].extend(out.to_ndarray()[0] for out in resampler.resample(frame))
        _drain(resampler, pieces)
    if not pieces:
        raise MediaError(path, "no sample of its sound can be decoded", "export it again")
    origin = first[0] if first else pieces[0][0]
    wave = _assemble(pieces, origin, sample_rate)
    # A codec pads its last block (1024 samples of AAC); the container knows the true end.
    end = round((pieces[0][0] + length - origin) * sample_rate)
    padded = 0 < len(wave) - end <= 2048 * sample_rate / stream.codec_context.sample_rate
    return wave[:end] if padded and end > 0 else wave


def _drain(resampler: av.AudioResampler | None, pieces: list[tuple[float, list]]) -> None:
    if resampler is not None:
        pieces[-1][1].extend(out.to_ndarray()[0] for out in resampler.resample(None))


def _finite(frame: av.AudioFrame) -> av.AudioFrame:
    """Replace NaN and infinity, which a float WAV may hold, by silence."""
    if not frame.format.name.startswith(("flt", "dbl")):
        return frame
    samples = frame.to_ndarray()
    if np.isfinite(samples).all():
        return frame
    clean = av.AudioFrame.from_ndarray(
        np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0),
        format=frame.format.name,
        layout=frame.layout.name,
    )
    clean.sample_rate = frame.sample_rate
    return clean


def _assemble(
    pieces: list[tuple[float, list[np.ndarray]]], origin: float, sample_rate: int
) -> np.ndarray:
    """Lay runs of samples out on one clock that begins at ``origin``."""
    runs = [(round((t - origin) * sample_rate), np.concatenate(b)) for t, b in pieces if b]
    end = max((at + len(run) for at, run in runs), default=0)
    wave = np.zeros(max(end, 0), np.float32)
    for at, run in runs:
        run = run[max(0, -at) :]
        at = max(0, at)
        wave[at : at + len(run)] = run / np.float32(2**31)
    return wave


def read_image(path: str | Path) -> np.ndarray:
    """Read a still picture as RGB uint8 (H, W, 3), turned upright by its EXIF orientation."""
    path = Path(path)
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})", "check the path") from None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise MediaError(path, "not a picture that can be decoded", "use PNG or JPEG")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


# ---------------------------------------------------------------- writing


@contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    """Name the target in whatever the system says: no space, no rights, no such folder."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(path, f"cannot be written ({reason})", "check the folder") from error


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; moved there when the block ends, or removed."""
    path = Path(path)
    if path.is_dir():
        raise MediaError(path, "is a folder", "name a file to write")
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}{path.suffix}")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with _writing(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def frame_rate(fps: Fraction | float | int) -> Fraction:
    """An exact rate: 29.97 and 23.976 become 30000/1001 and 24000/1001."""
    if isinstance(fps, Fraction):
        exact = fps
    elif not np.isfinite(fps):
        raise ConfigError(f"fps must be a positive number, got {fps}")
    else:
        ntsc = Fraction(max(1, round(fps)) * 1000, 1001)
        exact = ntsc if abs(fps - ntsc) < 2e-3 else Fraction(fps).limit_denominator(1000)
    if exact <= 0:
        raise ConfigError(f"fps must be a positive number, got {fps}")
    return exact


class VideoWriter:
    """Write RGB frames, and sound if given, as H.264 (yuv420p, BT.709) and AAC.

    The file appears under its name only when the ``with`` block ends well; an error or Ctrl-C
    leaves nothing. H.264 needs even sides: an odd one gets one more row or column, a copy of the
    last. ``audio`` (float32 mono, sample 0 = first frame) is written whole, even past the last
    frame. ``metadata`` goes into the container (mp4 tags).

    Example:
        >>> with VideoWriter("out.mp4", 25, (96, 96), audio=wave) as video:  # doctest: +SKIP
        ...     for frame in frames:
        ...         video.write(frame)
    """

    def __init__(
        self,
        path: str | Path,
        fps: Fraction | float | int,
        size: tuple[int, int],
        *,
        audio: np.ndarray | None = None,
        sample_rate: int = 16000,
        crf: int = 18,
        metadata: dict[str, str] | None = None,
        threads: int = 2,
    ) -> None:
        self.path, self.fps, self.size = Path(path), frame_rate(fps), tuple(map(int, size))
        if self.path.suffix.lower() not in _SUFFIXES:
            known = ", ".join(sorted(_SUFFIXES))
            raise MediaError(path, f"no container is named '{self.path.suffix}'", f"use {known}")
        if min(self.size) < 1:
            raise ConfigError(f"video size must be positive, got {self.size}")
        self.audio = None if audio is None else _clean_wave(audio)
        self.sample_rate, self.crf, self.threads = sample_rate, crf, threads
        self.metadata = {key: str(value) for key, value in (metadata or {}).items()}
        self.frames = 0
        self._to_yuv = VideoReformatter()

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(whole_file(self.path))
            with _writing(self.path):
                self._container = self._open(temporary)
            stack.push(self._close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._stack.__exit__(*error)

    def _open(self, temporary: Path) -> av.container.OutputContainer:
        flags = "+faststart"
        if not set(self.metadata) <= _ITUNES_TAGS:
            flags += "+use_metadata_tags"  # mp4 drops keys that iTunes does not know otherwise
        options = {} if temporary.suffix == ".mkv" else {"movflags": flags}
        container = av.open(f"file:{temporary}", "w", options=options)
        container.metadata.update(self.metadata)
        video = container.add_stream("libx264", rate=self.fps)
        video.width, video.height = (side + side % 2 for side in self.size)
        video.pix_fmt = "yuv420p"
        video.options = {"crf": str(self.crf), "preset": "veryfast"}
        context = video.codec_context
        context.thread_count = self.threads
        context.time_base = 1 / self.fps
        # BT.709, said in the stream, so that no player has to guess the colours from the size
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        self._video, self._sound, self._sent = video, None, 0
        if self.audio is not None and self.audio.size:
            self._sound = container.add_stream("aac", rate=self.sample_rate, layout="mono")
            self._sound.bit_rate = _AAC_BIT_RATE
        return container

    def write(self, frame: np.ndarray) -> None:
        """Append one RGB uint8 frame (H, W, 3) of the writer's size."""
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"frame must be uint8 ({height}, {width}, 3), got {frame.dtype} {frame.shape}"
            )
        if width % 2 or height % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = self._to_yuv.reformat(
            picture,
            format="yuv420p",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            threads=1,
        )
        picture.pts, picture.time_base = self.frames, 1 / self.fps
        with _writing(self.path):
            self._container.mux(self._video.encode(picture))
            self.frames += 1
            self._write_sound(until=round(self.frames / self.fps * self.sample_rate))

    def _write_sound(self, until: int) -> None:
        if self._sound is None:
            return
        block = self.audio[self._sent : until]
        if block.size:
            samples = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            samples.sample_rate = self.sample_rate
            samples.pts, samples.time_base = self._sent, Fraction(1, self.sample_rate)
            self._container.mux(self._sound.encode(samples))
            self._sent += block.size

    def _close(self, kind, error, trace) -> None:
        """Finish the streams if all went well, and let go of the file in any case."""
        if error is not None:
            with suppress(OSError, av.error.FFmpegError):
                self._container.close()
            return
        with _writing(self.path), self._container:
            if not self.frames:
                raise MediaError(self.path, "no frame was written", "give it at least one")
            if self._sound is not None:
                self._write_sound(until=len(self.audio))
                self._container.mux(self._sound.encode(None))
            self._container.mux(self._video.encode(None))


def _clean_wave(wave: np.ndarray) -> np.ndarray:
    """float32 (n,) in [-1, 1], NaN and infinity silenced."""
    wave = np.asarray(wave, np.float32)
    if wave.ndim != 1:
        raise ValueError(f"wave must be mono (n,), got shape {wave.shape}")
    return np.clip(np.nan_to_num(wave, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)


def write_audio(path: str | Path, wave: np.ndarray, sample_rate: int = 16000) -> None:
    """Write float32 (n,) in [-1, 1] as a 16-bit mono WAV file, whole or not at all."""
    samples = np.clip(np.round(_clean_wave(wave) * 32768), -32768, 32767).astype("<i2")
    with whole_file(path) as temporary, _writing(path), wavfile.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
