"""Video output: frames, and sound if given, encoded into a container."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from lipsync.errors import ConfigError, MediaError
from lipsync.languages import track_code
from lipsync.media.encoders import CONTAINERS, PRESETS, encoder_of
from lipsync.media.files import naming_target, whole_file
from lipsync.media.kept import MP4, MP4_TAGS, KeptTracks
from lipsync.media.priority import preserve_priority
from lipsync.media.sound import clean_wave
from lipsync.media.soundtrack import EncodedSound, Soundtrack

_FORMS = {("uint8", (3,)): "rgb24", ("uint16", (4,)): "rgba64le"}
_LARGE = 5_000_000  # pixels; for larger frames x264's lookahead is 5 frames instead of 10 to 50
_FINE = Fraction(1, 90_000)  # seconds; time base for variable rates


def frame_rate(fps: Fraction | float | int) -> Fraction:
    """An exact rate: 29.97 and 23.976 become 30000/1001 and 24000/1001."""
    if isinstance(fps, Fraction):
        exact = fps
    elif not np.isfinite(fps):
        raise ConfigError(f"fps must be a positive number, got {fps}")
    else:
        ntsc = Fraction(max(1, round(fps)) * 1000, 1001)
        near = min(2e-3, abs(fps - round(fps)))  # integer rates stay exact
        exact = ntsc if abs(fps - ntsc) < near else Fraction(fps).limit_denominator(1000)
    if exact <= 0:
        raise ConfigError(f"fps must be a positive number, got {fps}")
    return exact


class VideoWriter:
    """Write RGB frames, and sound if given; by default H.264 (yuv420p, BT.709) and AAC.

    The file appears under its name only when the ``with`` block succeeds; an error or Ctrl-C leaves
    nothing behind. Codecs need even dimensions: an odd one is padded by repeating the last row or
    column.

    Args:
        path: the output; its suffix is one of ``CONTAINERS``.
        fps: frames per second; for a variable rate, the mean.
        size: width and height.
        audio: a wave (float32 mono, sample 0 = first frame), or a soundtrack; written whole, even
            past the last frame.
        sample_rate: of the wave, in Hz.
        crf: quality, 0 (lossless) to 51; lower is better.
        metadata: container tags.
        threads: of the video encoder.
        codec: a name in ``VIDEO_CODECS``.
        preset: of the encoder, from "ultrafast" to "slower" (and smaller).
        variable: frames have individual timestamps, see :meth:`write`.
        alpha: keep the alpha channel.
        language: of the sound, an ISO 639 code.
        kept_tracks: tracks kept from another file; its tags are the defaults for ``metadata``.

    Raises:
        ConfigError: a combination that cannot be encoded, at all or with this build of ffmpeg.

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
        audio: np.ndarray | Soundtrack | None = None,
        sample_rate: int = 16000,
        crf: int = 18,
        metadata: dict[str, str] | None = None,
        threads: int = 2,
        codec: str = "auto",
        preset: str = "veryfast",
        variable: bool = False,
        alpha: bool = False,
        language: str | None = None,
        kept_tracks: KeptTracks | None = None,
    ) -> None:
        self.path, self.fps, self.size = Path(path), frame_rate(fps), tuple(map(int, size))
        if self.path.suffix.lower() not in CONTAINERS:
            known = ", ".join(CONTAINERS)
            raise MediaError(path, f"'{self.path.suffix}' is not a known container", f"use {known}")
        if min(self.size) < 1:
            raise ConfigError(f"video size must be positive, got {self.size}")
        self.codec, self._encoder = encoder_of(self.path, codec)
        if alpha and not self._encoder.alpha:
            raise ConfigError(f"{self.codec} cannot store transparency; use prores4444, or vp9")
        if preset not in PRESETS:
            raise ConfigError(f"unknown preset '{preset}'; choose from {', '.join(PRESETS)}")
        if isinstance(audio, np.ndarray):
            wave = clean_wave(audio)
            blocks = (wave[None, i : i + sample_rate] for i in range(0, len(wave), sample_rate))
            audio = EncodedSound(blocks, sample_rate) if wave.size else None
        self.audio = audio
        self.crf, self.threads, self.preset, self.alpha = crf, threads, preset, alpha
        self.variable = variable
        self._clock = _FINE if variable else 1 / self.fps
        self._last = (-1, Fraction(0))  # start of the last frame, and its duration in seconds
        tags = (kept_tracks.tags if kept_tracks is not None else {}) | (metadata or {})
        self.metadata = {key: str(value) for key, value in tags.items()}
        self.language, self.kept_tracks = language, kept_tracks
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
        if not set(self.metadata) <= MP4_TAGS:
            flags += "+use_metadata_tags"  # otherwise mp4 drops keys unknown to iTunes
        suffix = temporary.suffix.lower()
        muxing = {"movflags": flags} if suffix in MP4 else {}
        container = av.open(f"file:{temporary}", "w", options=muxing)
        container.metadata.update(self.metadata)
        encoder = self._encoder
        video = container.add_stream(encoder.ffmpeg, rate=self.fps)
        video.width, video.height = (side + side % 2 for side in self.size)
        video.pix_fmt = encoder.alpha if self.alpha else encoder.pixels
        # no reordering for variable rates, so that each frame's duration is stored
        options = encoder.tuning(self.crf, self.preset, self.variable)
        if encoder.ffmpeg == "libx264" and video.width * video.height > _LARGE:
            options |= (
                {} if self.preset in PRESETS[:2] else {"rc-lookahead": "5"}
            )  # frames of lookahead
        video.options = options
        context = video.codec_context
        if encoder.tag and suffix != ".mkv":
            context.codec_tag = encoder.tag  # Apple's players require it
        context.thread_count = self.threads
        context.time_base = self._clock
        # Tag the stream as BT.709, so that players do not guess the colours from the frame size
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        try:
            with preserve_priority():
                context.open()
        except (av.error.FFmpegError, ValueError, OSError) as error:
            container.close()
            at = f"{video.width}x{video.height} at {float(self.fps):.5g} frames a second"
            raise ConfigError(
                f"{self.codec} cannot be encoded here, {at} ({encoder.ffmpeg}: "
                f"{getattr(error, 'strerror', None) or error}); use codec=auto, or another size"
            ) from None
        self._video = video
        if self.audio is not None:
            sound = self.audio.open(container)
            if self.language is not None:
                sound.metadata["language"] = track_code(self.language)
            if self.kept_tracks is not None:
                sound.disposition = av.stream.Disposition.default
        if self.kept_tracks is not None:
            self.kept_tracks.open(container)
        return container

    def write(
        self, frame: np.ndarray, start: float | None = None, seconds: float | None = None
    ) -> None:
        """Append one frame of the writer's size.

        Args:
            frame: RGB uint8 (H, W, 3), or RGBA uint16 (H, W, 4).
            start, seconds: for a variable rate, presentation time and duration.
        """
        width, height = self.size
        form = _FORMS.get((frame.dtype.name, frame.shape[2:]))
        if frame.shape[:2] != (height, width) or form is None:
            raise ValueError(
                f"frame must be uint8 ({height}, {width}, 3), got {frame.dtype} {frame.shape}"
            )
        if width % 2 or height % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=form)
        picture = self._to_yuv.reformat(
            picture,
            format=self._video.pix_fmt,
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            threads=1,
        )
        at, lasting = Fraction(self.frames), 1 / self.fps
        if start is not None:
            at, lasting = Fraction(start) / self._clock, Fraction(seconds or 0)
        picture.pts = max(round(at), self._last[0] + 1)  # timestamps must increase
        picture.time_base = self._clock
        with naming_target(self.path):
            self._mux(self._video.encode(picture))
            self.frames, self._last = self.frames + 1, (picture.pts, lasting)
            for track in self._tracks():
                track.write(float(picture.pts * self._clock + lasting))

    def _tracks(self) -> list[Soundtrack | KeptTracks]:
        return [track for track in (self.audio, self.kept_tracks) if track is not None]

    def _mux(self, packets: list[av.Packet]) -> None:
        """Write video packets; the last frame keeps the duration it was given."""
        pts, lasting = self._last
        for packet in packets:
            if packet.pts == pts:
                packet.duration = max(1, round(lasting / self._clock))
            self._container.mux(packet)

    def _close(self, kind, error, trace) -> None:
        """Finish the streams on success, and close the file in any case."""
        with ExitStack() as stack:
            for track in self._tracks():
                stack.callback(track.close)
            if error is not None:
                with suppress(OSError, av.error.FFmpegError):
                    self._container.close()
                return
            with naming_target(self.path), self._container:
                if not self.frames:
                    raise MediaError(
                        self.path, "no frame was written to it", "give it at least one"
                    )
                for track in self._tracks():
                    track.write(float("inf"))
                self._mux(self._video.encode(None))
