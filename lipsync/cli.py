"""The command ``lipsync``: dub, adapt, translate, voice, evaluate, bench, and more.

What is imported at the top is light, so that ``lipsync --help`` is quick. Options that are not
given are not passed on: the defaults live in the functions alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from lipsync import __version__
from lipsync.adapt.command import add_adapt
from lipsync.commands import add_command, add_output_style, bars, print_json, print_result
from lipsync.demo.command import add_demo
from lipsync.errors import ConfigError, exit_on_error
from lipsync.evaluation.command import add_bench, add_calibrate, add_evaluate
from lipsync.plugins import import_plugins

# As the functions take them, which are too heavy to import here; a test compares.
_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
_CODECS = (
    "auto", "h264", "hevc", "hevc10", "av1", "vp9", "prores", "prores4444", "dnxhr", "h264_nvenc",
    "hevc_nvenc",
)  # fmt: skip
_SPEAKERS = ("largest", "left", "right", "top", "bottom", "centre", "sync")
_STAGES = ("recognise", "translate", "speak", "voice", "fit", "lips")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; bad input is one line on stderr and exit code 2, Ctrl-C exit code 130."""
    options = vars(_parser().parse_args(argv))
    run: Callable[..., None] = options.pop("run")
    with exit_on_error():
        import_plugins(options.pop("plugin"))
        run(**options)
    return 0


class _Parser(argparse.ArgumentParser):
    """A wrong command line is one line, as all bad input is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lipsync", description="Dub faces, score lip-sync, convert and inspect models."
    )
    parser.add_argument("--version", action="version", version=f"lipsync {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_dub(commands)
    add_adapt(commands)
    _add_translate(commands)
    _add_voice(commands)
    add_evaluate(commands)
    add_bench(commands)
    add_calibrate(commands)
    _add_export(commands)
    _add_doctor(commands)
    add_demo(commands)
    return parser


def _add_dub(commands: Any) -> None:
    parser = add_command(commands, "dub", _dub, "make the face in a video or picture speak a sound")
    add = parser.add_argument
    add("face", metavar="FACE", help="a video or a still picture")
    add("audio", metavar="AUDIO", help="a sound, or a video with one")
    add("-o", "--output", required=True, help="the video to write: mp4, m4v, mov or mkv")
    about = "instead of these: a CSV or YAML list with columns face, audio, output and options"
    add("--batch", action=_Batch, metavar="LIST", help=about)
    add("--model", help="name or path of a generator (default: the bundled one)")
    add("--device", help="where it runs, e.g. cuda (default: cpu)")
    add(
        "--batch-size", type=int, metavar="N", help="frames rendered at a time (default: by memory)"
    )
    add("--tolerate-damage", action="store_true", help="go on where a damaged file decodes")
    add("--config", metavar="YAML", help="a file of these options; command-line flags override it")
    add = parser.add_argument_group("faces").add_argument
    add(
        "--detector",
        choices=("centerface", "face_alignment"),
        metavar="NAME",
        help="centerface (default) or face_alignment",
    )
    add("--stride", type=int, metavar="N", help="look for faces every N frames (default: 0.2 s)")
    add(
        "--speaker",
        type=_speaker,
        metavar="WHO",
        help="largest (default), left, right, top, bottom, centre, a number from left to right "
        "beginning with 0, or sync: whose lips fit the sound of FACE",
    )
    add("--reference", metavar="SOUND", help="for --speaker sync: another sound that fits FACE")
    add(
        "--reference-frames",
        metavar="WHICH",
        help="frames of FACE that the model sees beside the one it paints: auto (the mouth at "
        "rest, the head alike), itself, or numbers such as 120,360 (default: auto; itself for "
        "the published networks)",
    )
    add("--min-face", type=int, metavar="PX", help="leave smaller faces alone (default: 40)")
    add(
        "--no-face",
        choices=("pass", "hold", "error"),
        metavar="WHAT",
        help="frames without a face: pass (default), hold the last dubbed frame, or error",
    )
    add("--tracks", metavar="JSON", help="boxes of faces: used if the file exists, else written")
    add = parser.add_argument_group("mouth (models with a lips code)").add_argument
    add("--driver", metavar="VIDEO", help="follow the mouth of this video in place of the sound")
    add("--curves", metavar="CSV", help="the code by frames: used if the file exists, else written")
    add("--amplitude", type=float, metavar="X", help="how far the mouth opens (default: 1)")
    add("--smoothing", type=float, metavar="S", help="smooth its motion over seconds (default: 0)")
    add = parser.add_argument_group("length and rate").add_argument
    add(
        "--length",
        choices=("pingpong", "loop", "freeze", "trim"),
        metavar="HOW",
        help="sound longer than the video: pingpong (default), loop, freeze, or trim the sound",
    )
    about = "video longer than the sound: cut (default) or keep"
    add("--tail", choices=("cut", "keep"), metavar="HOW", help=about)
    about = "dub only from here, in seconds or mm:ss; what is before passes unchanged"
    add("--from", dest="start", metavar="TIME", help=about)
    about = "and to here (default: to the sound's end); what is behind passes unchanged"
    add("--until", metavar="TIME", help=about)
    add("--fps", type=float, help="frames a second (default: the video's own; of a picture 25)")
    add = parser.add_argument_group("looks").add_argument
    add("--no-gate", dest="gate", action="store_false", help="let the mouth move to noise, too")
    add(
        "--no-match", dest="match", action="store_false", help="leave generated colours as they are"
    )
    add("--backdrop", metavar="COLOUR", help="behind a transparent face: white (default), #rrggbb")
    about = "none (default) or sharpen"
    add("--enhance", choices=("none", "sharpen"), metavar="HOW", help=about)
    add("--watermark", nargs="?", const="AI-generated", metavar="TEXT", help="show a mark")
    add("--preview", action="store_true", help="write the source and the dub side by side")
    add = parser.add_argument_group("the file").add_argument
    about = f"{', '.join(_CODECS[1:])} (default: auto, the container's usual one)"
    add("--codec", choices=_CODECS, metavar="NAME", help=about)
    add("--layer", action="store_true", help="write the new mouth alone, on transparency")
    add("--crf", type=int, help="quality, 0 lossless to 51 (default: 18)")
    about = "of the encoder, ultrafast to slower (default: veryfast)"
    add("--preset", choices=_PRESETS, metavar="NAME", help=about)
    add(
        "--audio-codec",
        choices=("auto", "copy", "aac", "mp3", "opus", "flac", "pcm"),
        metavar="NAME",
        help="auto (default): copied where possible, else aac; or copy, aac, mp3, opus, flac, pcm",
    )
    add("--audio-bitrate", type=int, metavar="N", help="bits a second of encoded sound")
    add_output_style(parser)


def _speaker(text: str) -> str:
    if text not in _SPEAKERS and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not {', '.join(_SPEAKERS)} or a number")
    return text


class _Batch(argparse.Action):
    """A list names what is otherwise required."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, value: Any, flag: Any = None
    ) -> None:
        setattr(namespace, self.dest, value)
        for action in parser._actions:
            action.required = False


def _add_translate(commands: Any) -> None:
    about = "make a video speak another language, its lips with it"
    parser = add_command(commands, "translate", _translate, about)
    parser.epilog = (
        "correct transcript.json, translation.json or a WAV file in the work folder and run the "
        "same command again: only what depends on it is made again; lipsync doctor lists engines"
    )
    add = parser.add_argument
    add("video", metavar="VIDEO", help="a video with speech")
    add("-o", "--output", required=True, help="the video to write: mp4, m4v, mov or mkv")
    add("--to", metavar="LANG", help="language to translate to, e.g. es")
    add("--from", dest="source", metavar="LANG", help="language of the video (default: detected)")
    add("--config", metavar="YAML", help="a file of these options; command-line flags override it")
    add("--work", metavar="DIR", help="where the stages keep their results (default: OUTPUT.work)")
    about = "stop after recognise, translate, speak, voice or fit"
    add("--until", choices=_STAGES, metavar="STAGE", help=about)
    about = "what is said, as SRT or VTT, in place of recognising it"
    add("--transcript", metavar="FILE", help=about)
    about = "the translation, as SRT or VTT: its lines are spoken at its times"
    add("--subtitles", metavar="FILE", help=about)
    about = "write subtitles of both languages beside the output"
    add("--write-subtitles", choices=("srt", "vtt"), help=about)
    add("--glossary", metavar="CSV", help="terms and their translations, lines of: source,target")
    add("--recogniser", metavar="ENGINE", help="whisper, or whisper:MODEL (a size or folder)")
    add("--translator", metavar="ENGINE", help="apertium, nllb or m2m100, or NAME:MODEL")
    add("--speaker", metavar="ENGINE", help="hibari, espeak or mms, or NAME:MODEL")
    add("--voice", metavar="VOICE", help="none (default), match, or the path of a trained voice")
    add("--slowest", type=float, metavar="X", help="minimum speaking-rate factor (default: 0.9)")
    add("--fastest", type=float, metavar="X", help="most speed of a line (default: 1.4)")
    add("--background", type=float, metavar="GAIN", help="keep the original's background, 0 to 1")
    add("--model", help="name or path of the generator of lips (default: the bundled one)")
    add("--adapt", action="store_true", help="adapt the generator to the person in VIDEO first")
    add("--device", help="where networks run, e.g. cuda (default: cpu)")
    add_output_style(parser)


def _add_voice(commands: Any) -> None:
    parser = add_command(commands, "voice", _voice, "write speech in another voice")
    add = parser.add_argument
    add("audio", metavar="AUDIO", help="a sound, or a video with one")
    add("-o", "--output", required=True, help="the WAV to write")
    add("--model", help="name or path of a trained voice converter")
    add("--reference", metavar="AUDIO", help="instead: a recording of the voice, matched roughly")
    add("--speaker", metavar="NAME", help="which of the model's voices (default: the second)")
    add("--device", help="where the model runs, e.g. cuda (default: cpu)")
    add_output_style(parser)


def _add_export(commands: Any) -> None:
    parser = add_command(
        commands, "export", _export, "write a model, or a mix of two, as a file, or upload it"
    )
    parser.add_argument("model", metavar="MODEL", help="name or path of a model")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a .pth, .safetensors or .onnx file, or a repository of the hub, hf://org/repo",
    )
    parser.add_argument(
        "--mix", metavar="OTHER", help="write what lies between MODEL and one trained on from it"
    )
    parser.add_argument(
        "--share", type=float, metavar="S", help="of OTHER in the mix, 0 to 1 (default: 0.5)"
    )
    parser.add_argument(
        "--card", metavar="YAML", help="what to know of it: name, data, licence, metrics, limits"
    )


def _add_doctor(commands: Any) -> None:
    about = "say what is installed, or what a model file is"
    parser = add_command(commands, "doctor", _doctor, about)
    parser.add_argument("file", nargs="?", default=None, metavar="FILE", help="a model file")
    parser.add_argument("--json", action="store_true", default=False, help="print JSON")


# ---------------------------------------------------------------- what the commands do


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
    if batch is not None:
        if options.keys() & {"face", "audio", "output"}:
            raise ConfigError("--batch LIST names all files: leave out FACE, AUDIO and -o")
        with bars(quiet, "frame") as progress:
            found = dub_batch(batch, progress=progress, **options)
        print_result(found, json, quiet)
        for failure in found.failed:
            print(f"error: {failure}", file=sys.stderr)
        if found.failed:
            sys.exit(2)
        return
    with bars(quiet, "frame") as progress:
        result = dub(progress=progress, **options)
    print_result(result, json, quiet)


def _translate(
    *,
    json: bool,
    quiet: bool,
    video: str,
    output: str,
    work: str | None = None,
    config: str | None = None,
    **options: Any,
) -> None:
    from lipsync.translation import read_options, translate

    if "model" in options:
        options["dub"] = {"model": options.pop("model")}
    with bars(quiet, "part") as progress:
        result = translate(
            video, output, read_options(config, options), work=work, progress=progress
        )
    print_result(result, json, quiet)


def _voice(*, json: bool, quiet: bool, **options: Any) -> None:
    from lipsync.voice import convert_file

    print_result(convert_file(**options), json, quiet)


def _export(model: str, output: str, **options: Any) -> None:
    from lipsync.export import export

    if "share" in options and "mix" not in options:
        raise ConfigError("--share belongs to --mix: name the model to mix in")
    print(export(model, output, **options))


def _doctor(file: str | None, json: bool) -> None:
    from lipsync.doctor import about_file, about_installation

    facts = about_installation() if file is None else about_file(file)
    if json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")
