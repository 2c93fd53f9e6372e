"""Video out: frames, and sound if given, as H.264 and AAC."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from lipsync.errors import ConfigError, MediaError
from lipsync.media.files import naming_target, whole_file
from lipsync.media.sound import clean_wave

_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv"}
_ITUNES_TAGS = {"title", "artist", "album", "comment", "copyright", "description", "genre"}
_AAC_BIT_RATE = 96_000  # close to the most that AAC can use for 16 kHz mono


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
        self.audio = None if audio is None else clean_wave(audio)
        self.sample_rate, self.crf, self.threads = sample_rate, crf, threads
        self.metadata = {key: str(value) for key, value in (metadata or {}).items()}
        self.frames = 0
        self._to_yuv = VideoReformatter()

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(whole_file(self.path))
            with naming_target(self.path):
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
        with naming_target(self.path):
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
        with naming_target(self.path), self._container:
            if not self.frames:
                raise MediaError(self.path, "no frame was written", "give it at least one")
            if self._sound is not None:
                self._write_sound(until=len(self.audio))
                self._container.mux(self._sound.encode(None))
            self._container.mux(self._video.encode(None))
