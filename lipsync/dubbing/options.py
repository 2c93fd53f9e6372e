"""What can be chosen about a dub, and what cannot work; options in a YAML file."""

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
from lipsync.media.colour import rgb_of
from lipsync.options import check_kind, check_names, check_options, option, read_options_file

DEFAULT_MODEL = "lipscode-open"


@dataclass(frozen=True)
class Options:
    """What makes the frames of a dub.

    Attributes:
        model: a generator: its name, its path, or the network itself.
        device: where a generator that is named runs, e.g. ``"cuda"``.
        adapt: adapt a generator that is named to the person in the face's video first, by the
            video's own sound, see :func:`lipsync.adapt.adapted_to`; trained once for all sounds.
            Where that is no improvement it stays as it is, and the result says why. For one face.
        batch_size: frames rendered at a time; by default what the memory allows.
        detector: name of a face detector, or one.
        stride: a face is looked for on every so many frames, and followed in between; by default
            five times a second.
        faces: whose lips move, where a picture has several: the "largest" (less, the further from
            the middle), "left", "right", "top", "bottom", "centre", a number (from left to right,
            beginning with 0), the one at a point "X,Y" in pixels, all chosen when a shot begins and
            followed to its end; or "sync", whose lips fit the sound of the face's video, or a
            ``reference``, in turn. Several at once by their sounds: ``{"left": "a.wav", "right":
            "b.wav"}``, which all begin at once; a face without a sound is left alone, and
            what is heard is their mix, unless there is a sound for that, too.
        reference: a sound on the clock of the face's video, for ``faces="sync"``.
        reference_frames: which frames of the face's video the generator is shown beside the one
            that it paints: "auto", frames of the shot in which the mouth rests and the head is
            held alike; "itself", the very frame, whose mouth a generator may copy; or frame numbers
            (from 0, counted at ``fps`` where that is given), of which the best is used. By default
            "itself" for the published networks of Wav2Lip and LipGAN, else "auto".
        min_face: height of a face, forehead to chin, in pixels, below which it is left alone;
            faces from the side are, too, and those that lean by more than 35 degrees where the
            model's framing is "box".
        no_face: frames without a face "pass" unchanged, "hold" the last dubbed frame, or are an
            "error".
        tracks: a JSON file of face boxes: used where it exists, else written.
        driver: a video whose speaker's mouth is followed in place of the sound, from its first
            frame on; the sound is only played. As the next three, for models with a lips code.
        curves: a CSV file of the lips code, a row a frame: used where it exists, else written.
        amplitude: factor on how far the mouth leaves its rest.
        smoothing: of the mouth's motion, the deviation of a Gaussian in seconds.
        length: what follows where the sound is longer than the video: "pingpong" (backwards, then
            forwards again), "loop", "freeze" (the last frame), or "trim" (the sound is cut).
        tail: what becomes of the video behind the sound's end: "cut", or "keep" (in silence).
        start, until: dub only this stretch, in seconds from the first frame or as "mm:ss"; frames
            outside it pass unchanged with their own sound. The new sound begins at ``start`` (or
            0), and lasts to its end where there is no ``until``. "from" in files of options.
        fps: frames a second; by default those of the video, and 25 for a still picture.
        audio_stream: which sound is taken of an audio file that has several, a number from 0 or a
            language; of one that has not, of the face's video. By default the default one.
        video_stream: which video is taken of the face's file, a number from 0.
        backdrop: what a transparent face is laid on: "white", "grey", "black", "green", "#rrggbb".
        gate: let the mouth rest where nobody speaks, see :class:`lipsync.dubbing.gate.VoiceGate`.
        match: bring generated faces to the colours around them and, but those of the published
            networks, to the detail of their references.
        enhance: "none", "sharpen", the path of a face restorer in ONNX, see
            :class:`lipsync.dubbing.restorer.Restorer`, or a function, see
            :mod:`lipsync.dubbing.enhance`.
        occlusion: name or path of a network of ``model=occlusion`` that finds hands, microphones,
            captions and hair in front of faces, which dubs leave where they are; "none" turns it
            off, as do models of another framing than the network's.
        watermark: a text to show in the picture.
        tolerate_damage: take a damaged video or sound as far as it can be decoded.

    Raises:
        ConfigError: options that cannot work.
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
            raise ConfigError("reference requires face=sync")
        drawn = self.curves is not None or self.driver is not None
        if drawn and isinstance(self.faces, dict | Parts):
            raise ConfigError("curves and driver need a single face; leave out the sounds per face")
        if self.start is not None or self.until is not None:
            self._check_stretch()
        if self.adapt:
            self._check_adapt()
        parse_choice(self.reference_frames)
        rgb_of(self.backdrop)
        get_enhancer(self.enhance, self.device)

    def _check_adapt(self) -> None:
        if isinstance(self.model, nn.Module):
            raise ConfigError("adapt needs the name or path of a model, not a network")
        if Path(self.model).is_dir():
            raise ConfigError(f"{self.model} holds adapted models; leave out adapt")
        if isinstance(self.faces, dict | Parts):
            raise ConfigError(
                "adapt needs a single face; for several, lipsync adapt PEOPLE -o MODELS makes a "
                "folder that model takes"
            )
        if self.reference is not None or self.video_stream is not None:
            raise ConfigError(
                "adapt uses the video's default tracks; leave out reference and video_stream"
            )

    def _check_stretch(self) -> None:
        start = seconds_of("from", self.start or 0)
        if self.until is not None and seconds_of("until", self.until) <= start:
            raise ConfigError(f"until must be after from, got {self.until} and {self.start or 0}")
        if (self.length, self.tail) != (Options.length, Options.tail):
            raise ConfigError("from and until keep the video's length; leave out length and tail")


def seconds_of(name: str, time: float | str) -> float:
    """Seconds, from a number or from ``ss``, ``mm:ss`` or ``hh:mm:ss``, with or without a fraction.

    Raises:
        ConfigError: it is none of these; ``name`` is the option.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", str(time))
    if match is None:
        raise ConfigError(f"{name} must be seconds or mm:ss, got '{time}'")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


@dataclass(frozen=True)
class Encoding:
    """How a dub is written.

    Attributes:
        codec: "auto", the usual one of the container (H.264; VP9 in WebM, DNxHR in MXF), or
            "h264", "hevc", "hevc10" (10 bits), "av1" (10 bits), "vp9", "prores" (422 HQ),
            "prores4444", "dnxhr" (HQX), "h264_nvenc", "hevc_nvenc". What has 10 bits of them keeps
            those of the source; prores4444 and vp9 keep its transparency.
        crf: quality, 0 (lossless) to 51; lower is better. ProRes and DNxHR have their own.
        preset: of the encoder, from "ultrafast" to "slower" (and smaller).
        audio_codec: "auto" copies the sound without loss where the container takes it and the
            whole of it is used, and else encodes AAC (Opus in WebM, PCM in MXF); or "copy", "aac",
            "mp3", "opus", "flac", "pcm".
        audio_bitrate: bits a second of encoded sound.
        loudness: integrated loudness (EBU R 128) that the new sound is brought to, in LUFS, such as
            -23, its true peaks limited to -1 dBTP; by default it stays as loud as it is.
        audio_language: of the new sound, an ISO 639 code such as "es", for players.
        preview: write the source and the dub side by side.
        layer: write the new mouth alone, on nothing, to be laid over the source; the codec must
            keep transparency, or the output be a sequence of PNG.

    Raises:
        ConfigError: options that cannot work.
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
            raise ConfigError(f"{name} is lossless and has no bit rate; leave out audio_bitrate")
        if self.loudness is not None and self.audio_codec == "copy":
            raise ConfigError("copied sound keeps its loudness; leave out loudness")
        if self.audio_language is not None and track_code(self.audio_language) == "und":
            problem = f"unknown audio_language '{self.audio_language}'"
            raise ConfigError(f"{problem}; use a three-letter ISO 639-2 code such as spa, or es")
        if self.layer and self.preview:
            raise ConfigError("layer writes the mouth only; leave out preview")


KNOWN = {known.name: known for kind in (Options, Encoding) for known in fields(kind)}
"""All options of :func:`lipsync.dubbing.dub`, by their names."""


def sorted_options(given: dict[str, Any]) -> tuple[Options, Encoding]:
    """Options by their names, checked.

    Raises:
        ConfigError: one that there is not, or that cannot work.
    """
    check_names("dub", given, KNOWN)
    own = {name: value for name, value in given.items() if name in Options.__dataclass_fields__}
    rest = {name: value for name, value in given.items() if name not in own}
    return Options(**own), Encoding(**rest)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Options for :func:`lipsync.dubbing.dub`, by their names there; ``-`` in a name is ``_``.

    Example of a file::

        model: runs/wav2lip/checkpoints/best.ckpt
        faces: left
        crf: 20

    Raises:
        ConfigError: the file cannot be read, is no list of options, or names one that there is not.
    """
    return checked_settings(path, read_options_file(path))


def checked_settings(path: str | Path, found: dict[str, Any]) -> dict[str, Any]:
    """Options that the file ``path`` gives, by their names.

    Raises:
        ConfigError: one that there is not, or a value that is of another kind than it takes.
    """
    given = {name.replace("-", "_"): value for name, value in found.items()}
    if "from" in given:  # a word of Python's
        given["start"] = given.pop("from")
    check_names(path, given, KNOWN)
    for name, value in given.items():
        check_kind(f"{path}: {name}", value, str(KNOWN[name].type))
    return given
