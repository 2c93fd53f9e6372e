"""The command ``lipsync dub``."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

from lipsync.commands import add_command, add_output_style, print_result, progress_bars
from lipsync.errors import ConfigError

# Copies of values in modules that are too slow to import here; a test compares them.
CODECS = (
    "auto", "h264", "hevc", "hevc10", "av1", "vp9", "prores", "prores4444", "dnxhr", "h264_nvenc",
    "hevc_nvenc",
)  # fmt: skip
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
FACES = ("largest", "left", "right", "top", "bottom", "centre", "sync")


def add_dub(commands: Any) -> None:
    parser = add_command(commands, "dub", _dub, "dub the face in a video or picture with a sound")
    add = parser.add_argument
    add("face", metavar="FACE", help="a video or a still picture")
    about = "a sound file, or a video with sound; may be left out if each --face has its own"
    add("audio", metavar="AUDIO", help=about)
    about = "the video to write: mp4, m4v, mov, mkv, webm or mxf; or numbered PNG pictures"
    add("-o", "--output", required=True, help=about)
    about = "instead: a CSV or YAML list with columns face, audio, output and options"
    add("--batch", action=_Batch, metavar="LIST", help=about)
    about = "with --batch: number of dubs to make in parallel, each in its own process (default: 1)"
    add("--jobs", type=int, metavar="N", help=about)
    add("--model", help="name or path of a generator, or a folder of adapted ones")
    add("--adapt", action="store_true", help="adapt the model to the person in FACE first")
    add("--device", help="device of the model, e.g. cuda (default: cpu)")
    add("--batch-size", type=int, metavar="N", help="frames per batch (default: by memory)")
    add("--tolerate-damage", action="store_true", help="continue past damaged parts of a file")
    add("--config", metavar="YAML", help="a file of these options; command-line flags override it")
    add = parser.add_argument_group("faces").add_argument
    add(
        "--detector",
        choices=("centerface", "face_alignment"),
        metavar="NAME",
        help="centerface (default) or face_alignment",
    )
    add("--stride", type=int, metavar="N", help="detect faces every N frames (default: 0.2 s)")
    add(
        "--face",
        dest="faces",
        action=_Faces,
        metavar="WHICH[=SOUND]",
        help="largest (default), left, right, top, bottom, centre, a number from left to right "
        "starting at 0, a point X,Y in pixels, or sync: the face whose lips match the sound of "
        "FACE; several faces, each with its own sound: --face left=a.wav --face right=b.wav (the "
        "soundtrack is AUDIO, else their mix)",
    )
    about = "for --face sync: sound that matches the lips in FACE, instead of its own"
    add("--reference", metavar="SOUND", help=about)
    add(
        "--reference-frames",
        metavar="WHICH",
        help="reference frames of FACE for the model: auto (mouth at rest, similar pose), itself "
        "(the frame being dubbed), or numbers such as 120,360 (default: auto; itself for "
        "the published networks)",
    )
    add("--min-face", type=int, metavar="PX", help="skip smaller faces (default: 40)")
    add(
        "--no-face",
        choices=("pass", "hold", "error"),
        metavar="WHAT",
        help="frames without a face: pass (default), hold the last dubbed frame, or error",
    )
    add("--tracks", metavar="JSON", help="face boxes: read if the file exists, else written")
    add = parser.add_argument_group("mouth (models with a lips code)").add_argument
    add("--driver", metavar="VIDEO", help="follow the mouth in this video instead of the sound")
    add("--curves", metavar="CSV", help="code by frame: read if the file exists, else written")
    add("--amplitude", type=float, metavar="X", help="how far the mouth opens (default: 1)")
    add("--smoothing", type=float, metavar="S", help="seconds to smooth over (default: 0)")
    add = parser.add_argument_group("length and rate").add_argument
    add(
        "--length",
        choices=("pingpong", "loop", "freeze", "trim"),
        metavar="HOW",
        help="if the sound is longer: pingpong (default), loop, freeze, or trim the sound",
    )
    about = "if the video is longer: cut (default) or keep"
    add("--tail", choices=("cut", "keep"), metavar="HOW", help=about)
    about = "start of the dub, in seconds or mm:ss; the video before it is unchanged"
    add("--from", dest="start", metavar="TIME", help=about)
    about = "end of the dub (default: the end of the sound); the video after it is unchanged"
    add("--until", metavar="TIME", help=about)
    add("--fps", type=float, help="frames per second (default: the video's own; 25 for a picture)")
    add = parser.add_argument_group("tracks of the files").add_argument
    about = "audio track of AUDIO, of FACE if AUDIO has only one: a number from 0, or a language"
    add("--audio-stream", metavar="N|LANG", help=f"{about} (default: the file's default track)")
    about = "video track of FACE, a number from 0 (default: the file's default track)"
    add("--video-stream", type=int, metavar="N", help=about)
    add = parser.add_argument_group("appearance").add_argument
    add("--no-gate", dest="gate", action="store_false", help="turn off the noise gate for pauses")
    add(
        "--no-match",
        dest="match",
        action="store_false",
        help="keep generated colours and detail as they are",
    )
    add("--backdrop", metavar="COLOUR", help="behind transparent faces: white (default) or #rrggbb")
    about = "none (default), sharpen, or a face restorer (GFPGAN, CodeFormer, ...) as an .onnx file"
    add("--enhance", metavar="HOW", help=about)
    about = "detects hands, microphones, captions in front of faces: a name, a path, or none"
    add("--occlusion", metavar="MODEL", help=f"{about} (default: occlusion-open)")
    add("--watermark", nargs="?", const="AI-generated", metavar="TEXT", help="add a visible mark")
    add("--preview", action="store_true", help="write the source and the dub side by side")
    add = parser.add_argument_group("output file").add_argument
    about = f"{', '.join(CODECS[1:])} (default: auto, the container's usual one)"
    add("--codec", choices=CODECS, metavar="NAME", help=about)
    add("--layer", action="store_true", help="write only the new mouth, with an alpha channel")
    add("--crf", type=int, help="quality, 0 lossless to 51 (default: 18)")
    about = "encoder preset, ultrafast to slower (default: veryfast)"
    add("--preset", choices=PRESETS, metavar="NAME", help=about)
    add(
        "--audio-codec",
        choices=("auto", "copy", "aac", "mp3", "opus", "flac", "pcm"),
        metavar="NAME",
        help="auto (default): copied where possible, else aac; or copy, aac, mp3, opus, flac, pcm",
    )
    about = "loudness of the new sound by EBU R 128, e.g. -23; true peaks stay below -1 dBTP"
    add("--loudness", type=float, metavar="LUFS", help=about)
    about = "language of the new sound, for players, e.g. es"
    add("--audio-language", metavar="LANG", help=about)
    add("--audio-bitrate", type=int, metavar="N", help="bits per second of encoded sound")
    add_output_style(parser)


class _Faces(argparse.Action):
    """One face, or a mapping of faces to their sounds, which makes AUDIO optional."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, value: Any, flag: Any = None
    ) -> None:
        face, sounds, sound = value.partition("=")
        if face not in FACES and not re.fullmatch(r"\d+(,\d+)?", face):
            choices = ", ".join(FACES)
            raise argparse.ArgumentError(self, f"'{face}' is not {choices}, a number or X,Y")
        if sounds and not sound:
            raise argparse.ArgumentError(self, f"{face}= has no sound; write {face}=SOUND")
        before = getattr(namespace, self.dest, {})
        if not sounds and not before:
            setattr(namespace, self.dest, face)
            return
        if not (sounds and isinstance(before, dict)):
            raise argparse.ArgumentError(
                self, "with several faces each needs its own sound: WHICH=SOUND"
            )
        if face in before:
            raise argparse.ArgumentError(self, f"{face} is given twice")
        setattr(namespace, self.dest, {**before, face: sound})
        _optional(parser, "audio")


class _Batch(argparse.Action):
    """A list, which makes FACE, AUDIO and the output optional."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, value: Any, flag: Any = None
    ) -> None:
        setattr(namespace, self.dest, value)
        _optional(parser, "face", "audio", "output")


def _optional(parser: argparse.ArgumentParser, *names: str) -> None:
    for action in parser._actions:
        if action.dest in names:
            action.required = False


def _dub(
    *,
    json: bool,
    quiet: bool,
    config: str | None = None,
    batch: str | None = None,
    **options: Any,
) -> None:
    from lipsync.dubbing import dub, dub_batch
    from lipsync.dubbing.options import read_settings

    if config is not None:
        options = read_settings(config) | options
    if batch is None and "jobs" in options:
        raise ConfigError("--jobs N needs a list of dubs: --batch LIST")
    if batch is not None:
        if options.keys() & {"face", "audio", "output"}:
            raise ConfigError("--batch LIST names all files: leave out FACE, AUDIO and -o")
        with progress_bars(quiet, "frame") as progress:
            found = dub_batch(batch, progress=progress, **options)
        print_result(found, json, quiet)
        for failure in found.failed:
            print(f"error: {failure}", file=sys.stderr)
        if found.failed:
            sys.exit(2)
        return
    with progress_bars(quiet, "frame") as progress:
        result = dub(progress=progress, **{"audio": None} | options)
    print_result(result, json, quiet)
