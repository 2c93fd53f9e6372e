"""The command ``lipsync``: dub, translate, voice, evaluate, calibrate, export, doctor.

What is imported at the top is light, so that ``lipsync --help`` is quick. Options that are not
given are not passed on: the defaults live in the functions alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lipsync import __version__
from lipsync.errors import ConfigError, exit_on_error
from lipsync.plugins import import_plugins


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; bad input is one line on stderr and exit code 2, Ctrl-C exit code 130."""
    options = vars(_parser().parse_args(argv))
    run: Callable[..., None] = options.pop("run")
    with exit_on_error():
        import_plugins(options.pop("plugin"))
        run(**options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lipsync", description="Dub faces, score lip-sync, convert and inspect models."
    )
    parser.add_argument("--version", action="version", version=f"lipsync {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_dub(commands)
    _add_translate(commands)
    _add_voice(commands)
    _add_evaluate(commands)
    _add_calibrate(commands)
    _add_export(commands)
    _add_doctor(commands)
    return parser


def _command(commands: Any, name: str, run: Callable[..., None], about: str) -> Any:
    parser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        argument_default=argparse.SUPPRESS,
    )
    about = "import a module of your own first; may be repeated (docs/extending.md)"
    parser.add_argument("--plugin", action="append", default=[], metavar="MODULE", help=about)
    parser.set_defaults(run=run)
    return parser


def _add_dub(commands: Any) -> None:
    parser = _command(commands, "dub", _dub, "make the face in a video or picture speak a sound")
    add = parser.add_argument
    add("face", metavar="FACE", help="a video or a still picture")
    add("audio", metavar="AUDIO", help="a sound, or a video with one")
    add("-o", "--output", required=True, help="the video to write: mp4, m4v, mov or mkv")
    add("--model", help="name or path of a generator (default: the bundled one)")
    add("--device", help="where it runs, e.g. cuda (default: cpu)")
    add(
        "--batch-size", type=int, metavar="N", help="frames rendered at a time (default: by memory)"
    )
    add("--tolerate-damage", action="store_true", help="go on where a damaged file decodes")
    add("--config", metavar="YAML", help="a file of these options; command-line flags override it")
    add = parser.add_argument_group("faces").add_argument
    add("--detector", metavar="NAME", help="centerface (default) or face_alignment")
    add("--stride", type=int, metavar="N", help="look for faces every N frames (default: 0.2 s)")
    add(
        "--speaker",
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
        metavar="HOW",
        help="sound longer than the video: pingpong (default), loop, freeze, or trim the sound",
    )
    add("--tail", metavar="HOW", help="video longer than the sound: cut (default) or keep")
    add("--fps", type=float, help="frames a second (default: the video's own; of a picture 25)")
    add = parser.add_argument_group("looks").add_argument
    add("--no-gate", dest="gate", action="store_false", help="let the mouth move to noise, too")
    add(
        "--no-match", dest="match", action="store_false", help="leave generated colours as they are"
    )
    add("--enhance", metavar="HOW", help="none (default) or sharpen")
    add("--watermark", nargs="?", const="AI-generated", metavar="TEXT", help="show a mark")
    add("--preview", action="store_true", help="write the source and the dub side by side")
    add = parser.add_argument_group("the file").add_argument
    add("--codec", metavar="NAME", help="h264 (default) or hevc")
    add("--crf", type=int, help="quality, 0 lossless to 51 (default: 18)")
    add("--preset", metavar="NAME", help="of the encoder, ultrafast to slower (default: veryfast)")
    add(
        "--audio-codec",
        metavar="NAME",
        help="auto (default): copied where possible, else aac; or copy, aac, mp3, opus, flac",
    )
    add("--audio-bitrate", type=int, metavar="N", help="bits a second of encoded sound")
    _add_output_style(parser)


def _add_translate(commands: Any) -> None:
    about = "make a video speak another language, its lips with it"
    parser = _command(commands, "translate", _translate, about)
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
    add("--until", metavar="STAGE", help="stop after recognise, translate, speak, voice or fit")
    add("--recogniser", metavar="ENGINE", help="whisper, or whisper:MODEL (a size or folder)")
    add("--translator", metavar="ENGINE", help="apertium, nllb or m2m100, or NAME:MODEL")
    add("--speaker", metavar="ENGINE", help="hibari, espeak or mms, or NAME:MODEL")
    add("--voice", metavar="VOICE", help="none (default), match, or the path of a trained voice")
    add("--slowest", type=float, metavar="X", help="minimum speaking-rate factor (default: 0.9)")
    add("--fastest", type=float, metavar="X", help="most speed of a line (default: 1.4)")
    add("--background", type=float, metavar="GAIN", help="keep the original's background, 0 to 1")
    add("--model", help="name or path of the generator of lips (default: the bundled one)")
    add("--device", help="where networks run, e.g. cuda (default: cpu)")
    _add_output_style(parser)


def _add_voice(commands: Any) -> None:
    parser = _command(commands, "voice", _voice, "write speech in another voice")
    add = parser.add_argument
    add("audio", metavar="AUDIO", help="a sound, or a video with one")
    add("-o", "--output", required=True, help="the WAV to write")
    add("--model", help="name or path of a trained voice converter")
    add("--reference", metavar="AUDIO", help="instead: a recording of the voice, matched roughly")
    add("--speaker", metavar="NAME", help="which of the model's voices (default: the second)")
    add("--device", help="where the model runs, e.g. cuda (default: cpu)")
    _add_output_style(parser)


def _add_evaluate(commands: Any) -> None:
    about = "score generated videos, or a generator, always beside real videos"
    parser = _command(commands, "evaluate", _evaluate, about)
    parser.epilog = (
        "distance: lower is better (LSE-D by SyncNet v2); confidence: higher is better; offset in "
        "frames of 1/25 s, negative where the sound comes late; fine_offset to a tenth "
        "of one"
    )
    add = parser.add_argument
    add("generated", nargs="*", metavar="GENERATED", help="videos or folders of videos")
    add("--real", nargs="+", metavar="REAL", help="videos or folders of real videos")
    add("--pairs", metavar="CSV", help="instead: a file of lines generated,real")
    add("--judge", help="name or path of an expert or SyncNet v2 (default: the bundled expert)")
    add("-o", "--output", metavar="DIR", help="write scores.csv, scores.json and report.html there")
    add("--against", metavar="DIR", help="an earlier output: compare on the videos in both")
    add("--protocol", metavar="NAME", help="wild (default), or cropped: videos are face crops")
    add("--device", help="where the networks run, e.g. cuda (default: cpu)")
    add("--detector", metavar="NAME", help="centerface (default) or face_alignment")
    add("--stride", type=int, metavar="N", help="look for the face every N frames (default: 5)")
    add("--vshift", type=int, metavar="N", help="offsets tried to either side (default: 15)")
    _add_output_style(parser)
    add = parser.add_argument_group(
        "a generator", "dub pairs and score them; interrupted, the same command goes on"
    ).add_argument
    add("--model", help="name or path of the generator; needs -o")
    add("--reference-frames", metavar="HOW", help="auto or itself, as for lipsync dub")
    about = "score also with a judge that trained the generator; tables say so"
    add("--allow-training-judge", action="store_true", help=about)
    add("--root", metavar="DIR", help="videos: all are paired, or those that a list names")
    add("--filelist", metavar="FILE", help="pairs in the published format, lines of: video audio")
    add("--count", type=int, metavar="N", help="so many random pairs of --root (default: all)")
    add("--seed", type=int, help="of the random pairs (default: 0)")


def _add_calibrate(commands: Any) -> None:
    about = "find what a judge's confidence is worth, and keep it in the judge's file"
    parser = _command(commands, "calibrate", _calibrate, about)
    add = parser.add_argument
    add("judge", metavar="JUDGE", help="name or path of an expert or SyncNet v2")
    add("--data", dest="root", required=True, metavar="ROOT", help="a prepared set that is in sync")
    about = "lists of its clips, of people that the judge does not know (default: val)"
    add("--splits", nargs="+", metavar="LIST", help=about)
    about = "people to leave out, such as those that the judge was trained on"
    add("--without", nargs="+", metavar="SPEAKER", help=about)
    add("-o", "--output", help="the .safetensors to write (default: the judge's own file)")
    add("--level", type=float, metavar="P", help="act on this probability (default: 0.9)")
    add("--device", help="where the judge runs, e.g. cuda (default: cpu)")
    _add_output_style(parser)


def _add_export(commands: Any) -> None:
    parser = _command(
        commands, "export", _export, "write a model, or a mix of two, in another format"
    )
    parser.add_argument("model", metavar="MODEL", help="name or path of a model")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a .pth, .safetensors or .onnx file"
    )
    parser.add_argument(
        "--mix", metavar="OTHER", help="write what lies between MODEL and one trained on from it"
    )
    parser.add_argument(
        "--share", type=float, metavar="S", help="of OTHER in the mix, 0 to 1 (default: 0.5)"
    )


def _add_doctor(commands: Any) -> None:
    about = "say what is installed, or what a model file is"
    parser = _command(commands, "doctor", _doctor, about)
    parser.add_argument("file", nargs="?", default=None, metavar="FILE", help="a model file")
    parser.add_argument("--json", action="store_true", default=False, help="print JSON")


def _add_output_style(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", default=False, help="print the result as JSON"
    )
    parser.add_argument(
        "--quiet", action="store_true", default=False, help="no progress bar, no summary"
    )


# ---------------------------------------------------------------- what the commands do


@contextmanager
def _bars(quiet: bool, unit: str) -> Iterator[Callable[[str, int, int | None], None]]:
    """A progress callback that draws one bar a stage, where stderr is a terminal."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage not in bars:
            for finished in bars.values():
                finished.close()
            bars[stage] = tqdm(desc=stage, total=total, unit=unit, disable=quiet or None)
        bars[stage].update(done - bars[stage].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


def _dub(*, json: bool, quiet: bool, config: str | None = None, **options: Any) -> None:
    from lipsync.dubbing import dub
    from lipsync.dubbing.options import read_settings

    if config is not None:
        options = read_settings(config) | options
    with _bars(quiet, "frame") as progress:
        result = dub(progress=progress, **options)
    _print(result, json, quiet)


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
    with _bars(quiet, "part") as progress:
        result = translate(
            video, output, read_options(config, options), work=work, progress=progress
        )
    _print(result, json, quiet)


def _voice(*, json: bool, quiet: bool, **options: Any) -> None:
    from lipsync.voice import convert_file

    _print(convert_file(**options), json, quiet)


def _evaluate(
    *,
    json: bool,
    quiet: bool,
    generated: Sequence[str] = (),
    real: Sequence[str] = (),
    pairs: str | None = None,
    output: str | None = None,
    against: str | None = None,
    **options: Any,
) -> None:
    from lipsync import evaluation

    if output is not None and Path(output).is_file():
        raise ConfigError(f"{output}: is a file; name a folder for the scores")
    earlier = evaluation.load_report(against) if against is not None else None
    clips: list[tuple[Path, str]] = []
    with _bars(quiet, "video") as progress:
        options["progress"] = lambda name, done, total: progress("scoring", done, total)
        if "model" in options:
            if generated or real or pairs is not None:
                raise ConfigError("--model makes the videos: leave out GENERATED, --real, --pairs")
            report, clips = _evaluate_generator(output, **options)
        else:
            report = _evaluate_videos(generated, real, pairs, **options)
    comparison = evaluation.compare(earlier, report) if earlier is not None else None
    if json:
        _print_json(report.as_dict())
    elif not quiet:
        print(report.table(videos="model" not in options))
        for video, problem in report.problems().items() if "model" in options else ():
            print(f"left out: {video}: {problem}")
        if comparison is not None:
            print(f"\nagainst {against}\n{comparison}")
    if output is not None:
        report.save(output)
        evaluation.save_html(report, output, clips, comparison)
    report.check()


def _evaluate_videos(
    generated: Sequence[str], real: Sequence[str], pairs: str | None, **options: Any
) -> Any:
    from lipsync import evaluation

    only = ("root", "filelist", "count", "seed", "reference_frames", "allow_training_judge")
    for name in only:
        if name in options:
            raise ConfigError(
                f"--{name.replace('_', '-')} is for a generator; name one with --model"
            )
    if pairs is not None:
        more, more_real = evaluation.read_pairs(pairs)
        generated, real = [*generated, *more], [*real, *more_real]
    if not real:
        raise ConfigError(
            "no real videos: scores mean little alone; name some with --real, or a --pairs file"
        )
    if not generated:
        raise ConfigError("no generated videos: name some, before --real, or a --pairs file")
    return evaluation.evaluate(generated, real, **options)


def _evaluate_generator(
    output: str | None,
    model: str,
    root: str | None = None,
    filelist: str | None = None,
    count: int | None = None,
    seed: int | None = None,
    **options: Any,
) -> tuple[Any, list[tuple[Path, str]]]:
    """The report, and clips to show in it."""
    from lipsync import evaluation

    if output is None:
        raise ConfigError("evaluating a generator needs a folder for its videos; name it with -o")
    if filelist is not None:
        if count is not None or seed is not None:
            raise ConfigError("--count and --seed draw pairs at random; a --filelist names them")
        pairs = evaluation.read_filelist(filelist, root)
    elif root is not None:
        pairs = evaluation.random_pairs([root], count, seed or 0)
    else:
        raise ConfigError("nothing to dub: name a folder of videos with --root, or a --filelist")
    report = evaluation.evaluate_generator(model, pairs, output, **options)
    return report, evaluation.report_clips(report, pairs, output)


def _calibrate(*, json: bool, quiet: bool, **options: Any) -> None:
    from lipsync.evaluation import calibrate_file, calibration_table

    with _bars(quiet, "clip") as progress:
        options["progress"] = lambda name, done, total: progress("scoring", done, total)
        found = calibrate_file(**options)
    if json:
        _print_json(found.as_dict())
    elif not quiet:
        print(calibration_table(found))


def _export(model: str, output: str, **options: Any) -> None:
    from lipsync.export import export

    if "share" in options and "mix" not in options:
        raise ConfigError("--share belongs to --mix: name the model to mix in")
    print(export(model, output, **options))


def _doctor(file: str | None, json: bool) -> None:
    from lipsync.doctor import about_file, about_installation

    facts = about_installation() if file is None else about_file(file)
    if json:
        _print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


def _print(result: Any, as_json: bool, quiet: bool) -> None:
    if as_json:
        _print_json(result.as_dict())
    elif not quiet:
        print(result)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
