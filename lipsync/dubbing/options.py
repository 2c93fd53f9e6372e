"""Options of a dub, their validation, and option files in YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from lipsync.dubbing.enhance import Enhancer, get_enhancer
from lipsync.dubbing.occlusion import OCCLUSION
from lipsync.dubbing.parts import Parts, check_faces
from lipsync.dubbing.playback import LENGTHS
from lipsync.dubbing.references import parse_choice
from lipsync.dubbing.sound import AUDIO_CHOICES
from lipsync.dubbing.speakers import SYNC
from lipsync.errors import ConfigError
from lipsync.faces.detect import Detector
from lipsync.languages import track_code
from lipsync.media import LOSSLESS, PRESETS, VIDEO_CODECS
from lipsync.media.colour import parse_colour
from lipsync.options import check_kind, check_names, check_options, option, read_options_file

DEFAULT_MODEL = "lipscode-open"


@dataclass(frozen=True)
class Options:
    """Options that determine the frames of a dub.

    Attributes:
        model: a generator: its name, its path, or the network itself.
        device: device for a generator given by name, e.g. ``"cuda"``.
        adapt: first adapt a generator given by name to the person in the face's video, using the
            video's own audio, see :func:`lipsync.adapt.adapted_generator`; trained once, and reused
            for any audio. If this is no improvement, the generator is used unadapted, and the
            result says why. For a single face.
        batch_size: frames rendered at a time; by default as memory allows.
        detector: a face detector, or its name.
        stride: detect faces every ``stride`` frames, and interpolate in between; by default five
            detections per second.
        faces: which face is dubbed if there are several: the "largest" (weighted towards the
            middle), "left", "right", "top", "bottom", "centre", a number (from left to right,
            starting at 0), or the one at a point "X,Y" in pixels, all selected when a shot starts
            and followed to its end; or "sync", whichever face's lips match the audio of the face's
            video, or ``reference``, at the time. For several faces, a mapping to their audio:
            ``{"left": "a.wav", "right": "b.wav"}``, all starting at once; other faces are left
            alone, and the soundtrack is ``audio`` if given, else their mix.
        reference: audio in sync with the face's video, for ``faces="sync"``.
        reference_frames: frames of the face's video that the generator is given as references:
            "auto", frames of the same shot with the mouth at rest and a similar head pose;
            "itself", the frame being dubbed, whose mouth a generator may copy; or frame numbers
            (from 0, counted at ``fps`` if given), of which the best is used. By default "itself"
            for the published networks of Wav2Lip and LipGAN, else "auto".
        min_face: minimum height of a face, forehead to chin, in pixels; smaller faces are left
            alone, as are profiles, and, if the model's framing is "box", faces tilted by more than
            35 degrees.
        no_face: frames without a face "pass" unchanged, "hold" the last dubbed frame, or are an
            "error".
        tracks: a JSON file of face boxes; read if it exists, else written.
        driver: a video whose speaker's mouth is followed instead of the audio, from its first frame
            on; the audio is only played. Like the next three, for models with a lips code.
        curves: a CSV file of the lips code, one row per frame; read if it exists, else written.
        amplitude: factor on how far the mouth opens.
        smoothing: temporal smoothing of the mouth, standard deviation of a Gaussian in seconds.
        length: if the audio is longer than the video: "pingpong" (backwards, then forwards again),
            "loop", "freeze" (the last frame), or "trim" (the audio).
        tail: if the video is longer than the audio: "cut" it, or "keep" it (silent).
        start, until: dub only this range, in seconds from the first frame or as "mm:ss"; frames
            outside it pass unchanged with their own audio. The new audio starts at ``start``, or 0;
            without ``until`` the range ends with it. ``start`` is "from" in option files.
        fps: frames per second; by default that of the video, and 25 for a still picture.
        audio_stream: audio track, a number from 0 or a language, of the audio file if it has
            several, else of the face's video. By default the file's default track.
        video_stream: video track of the face's file, a number from 0.
        backdrop: background of transparent faces: "white", "grey", "black", "green", "#rrggbb".
        gate: let the mouth rest in pauses, see :class:`lipsync.dubbing.gate.VoiceGate`.
        match: match generated faces to the surrounding colours and, except for the published
            networks, to the detail of their references.
        enhance: "none", "sharpen", the path of a face restorer in ONNX, see
            :class:`lipsync.dubbing.restorer.Restorer`, or a function, see
            :mod:`lipsync.dubbing.enhance`.
        occlusion: name or path of a network of ``model=occlusion`` that detects hands, microphones,
            captions and hair in front of faces, which the dub then leaves in place; "none" turns it
            off, as does a generator with another framing.
        watermark: text of a visible watermark.
        tolerate_damage: decode damaged video or audio as far as possible.

    Raises:
        ConfigError: invalid options.
        CheckpointError: a face restorer that cannot be used.
    """

    model: str | Path | nn.Module = DEFAULT_MODEL
    device: str = "cpu"
    adapt: bool = False
    batch_size: int | None = option(None, least=1)
    detector: str | Detector = "centerface"
    stride: int | None = option(None, least=1)
    faces: str | int | dict | Parts = "largest"
    reference: str | Path | None = None
    reference_frames: str | int | list[int] | None = None
    min_face: int = option(40, least=0)
    no_face: str = option("pass", choices=("pass", "hold", "error"))
    tracks: str | Path | None = None
    driver: str | Path | None = None
    curves: str | Path | None = None
    amplitude: float = option(1.0, least=0, most=3)
    smoothing: float = option(0.0, least=0, most=0.5)
    length: str = option("pingpong", choices=LENGTHS)
    tail: str = option("cut", choices=("cut", "keep"))
    start: float | str | None = None
    until: float | str | None = None
    fps: float | None = option(None, least=1, most=240)
    audio_stream: int | str | None = option(None, least=0)
    video_stream: int | None = option(None, least=0)
    backdrop: str = "white"
    gate: bool = True
    match: bool = True
    enhance: str | Path | Enhancer = "none"
    occlusion: str | Path = OCCLUSION
    watermark: str | None = None
    tolerate_damage: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        check_faces(self.faces)
        if self.reference is not None and self.faces != SYNC:
            raise ConfigError("`reference` requires `faces=sync`")
        drawn = self.curves is not None or self.driver is not None
        if drawn and isinstance(self.faces, dict | Parts):
            raise ConfigError(
                "`curves` and `driver` need a single face; leave out the sounds per face"
            )
        if self.start is not None or self.until is not None:
            self._check_stretch()
        if self.adapt:
            self._check_adapt()
        parse_choice(self.reference_frames)
        parse_colour(self.backdrop)
        get_enhancer(self.enhance, self.device)

    def _check_adapt(self) -> None:
        if isinstance(self.model, nn.Module):
            raise ConfigError("`adapt` needs the name or path of a model, not a network")
        if Path(self.model).is_dir():
            raise ConfigError(f"{self.model} holds adapted models; leave out `adapt`")
        if isinstance(self.faces, dict | Parts):
            raise ConfigError(
                "`adapt` needs a single face; for several, lipsync adapt PEOPLE -o MODELS makes a "
                "folder that `model` takes"
            )
        if self.reference is not None or self.video_stream is not None:
            raise ConfigError(
                "`adapt` uses the video's default tracks; leave out `reference` and `video_stream`"
            )

    def _check_stretch(self) -> None:
        start = seconds_of("from", self.start or 0)
        if self.until is not None and seconds_of("until", self.until) <= start:
            raise ConfigError(
                f"`until` must be after `start`, got {self.until} and {self.start or 0}"
            )
        if (self.length, self.tail) != (Options.length, Options.tail):
            raise ConfigError(
                "`start` and `until` keep the video's length; leave out `length` and `tail`"
            )


def seconds_of(name: str, time: float | str) -> float:
    """Parse seconds from a number or ``ss``, ``mm:ss`` or ``hh:mm:ss``, optionally with a fraction.

    Raises:
        ConfigError: none of these; ``name`` is the option.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", str(time))
    if match is None:
        raise ConfigError(f"{name} must be seconds or mm:ss, got '{time}'")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


@dataclass(frozen=True)
class Encoding:
    """Options of the output file.

    Attributes:
        codec: "auto", the container's usual one (H.264; VP9 in WebM, DNxHR in MXF), or "h264",
            "hevc", "hevc10" (10 bits), "av1" (10 bits), "vp9", "prores" (422 HQ), "prores4444",
            "dnxhr" (HQX), "h264_nvenc", "hevc_nvenc". Codecs with 10 bits or more keep the source's
            bit depth; prores4444 and vp9 keep its transparency.
        crf: quality, 0 (lossless) to 51; lower is better. Ignored by ProRes and DNxHR.
        preset: encoder preset, from "ultrafast" to "slower" (and smaller).
        audio_codec: "auto" copies the audio without loss if the container supports it and all of it
            is used, and otherwise encodes AAC (Opus in WebM, PCM in MXF); or "copy", "aac", "mp3",
            "opus", "flac", "pcm".
        audio_bitrate: bits per second of encoded audio.
        loudness: integrated loudness (EBU R 128) of the new audio in LUFS, such as -23, with true
            peaks limited to -1 dBTP; by default unchanged.
        audio_language: language of the new audio, an ISO 639 code such as "es", for players.
        preview: write the source and the dub side by side.
        layer: write only the new mouth, on a transparent background, for compositing over the
            source; needs a codec with transparency, or a PNG sequence.

    Raises:
        ConfigError: invalid options.
    """

    codec: str = option("auto", choices=VIDEO_CODECS)
    crf: int = option(18, least=0, most=51)
    preset: str = option("veryfast", choices=PRESETS)
    audio_codec: str = option("auto", choices=AUDIO_CHOICES)
    audio_bitrate: int | None = option(None, least=8_000, most=512_000)
    loudness: float | None = option(None, least=-40, most=-5)
    audio_language: str | None = None
    preview: bool = False
    layer: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        if self.audio_bitrate is not None and self.audio_codec in LOSSLESS:
            name = self.audio_codec
            raise ConfigError(f"{name} is lossless and has no bit rate; leave out `audio_bitrate`")
        if self.loudness is not None and self.audio_codec == "copy":
            raise ConfigError("copied sound keeps its loudness; leave out `loudness`")
        if self.audio_language is not None and track_code(self.audio_language) == "und":
            problem = f"unknown `audio_language` '{self.audio_language}'"
            raise ConfigError(f"{problem}; use a three-letter ISO 639-2 code such as spa, or es")
        if self.layer and self.preview:
            raise ConfigError("`layer` writes the mouth only; leave out `preview`")


KNOWN = {known.name: known for kind in (Options, Encoding) for known in fields(kind)}
"""All options of :func:`lipsync.dubbing.dub`, by name."""


def sorted_options(given: dict[str, Any]) -> tuple[Options, Encoding]:
    """Sort options by name into the two classes, with validation.

    Raises:
        ConfigError: unknown or invalid options.
    """
    check_names("dub", given, KNOWN)
    own = {name: value for name, value in given.items() if name in Options.__dataclass_fields__}
    rest = {name: value for name, value in given.items() if name not in own}
    return Options(**own), Encoding(**rest)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read options for :func:`lipsync.dubbing.dub` from a file; ``-`` in a name becomes ``_``.

    Example of a file::

        model: runs/wav2lip/checkpoints/best.ckpt
        faces: left
        crf: 20

    Raises:
        ConfigError: the file cannot be read, contains no options, or an unknown one.
    """
    return checked_settings(path, read_options_file(path))


def checked_settings(path: str | Path, found: dict[str, Any]) -> dict[str, Any]:
    """Check the options ``found`` in the file ``path``.

    Raises:
        ConfigError: an unknown option, or a value of the wrong type.
    """
    given = {name.replace("-", "_"): value for name, value in found.items()}
    if "from" in given:  # a Python keyword
        given["start"] = given.pop("from")
    check_names(path, given, KNOWN)
    for name, value in given.items():
        check_kind(f"{path}: {name}", value, str(KNOWN[name].type))
    return given
