"""The commands ``lipsync evaluate``, ``bench``, ``calibrate`` and ``curves``.

Options that are not given are not passed on: the defaults live only in the functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lipsync.commands import add_command, add_output_style, print_json, progress_bars
from lipsync.errors import ConfigError


def _add_scoring(add: Any) -> None:
    """Options for scoring videos."""
    add("--judge", help="name or path of an expert or SyncNet v2 (default: the bundled judge)")
    add("--device", help="device of the networks, e.g. cuda (default: cpu)")
    names, about = ("centerface", "face_alignment"), "centerface (default) or face_alignment"
    add("--detector", choices=names, metavar="NAME", help=about)
    add("--stride", type=int, metavar="N", help="detect faces every N frames (default: 5)")
    add("--vshift", type=int, metavar="N", help="maximum offset, in frames (default: 15)")
    about = "a face recogniser such as ArcFace (.onnx): adds the distance from the real person"
    add("--identity", metavar="ONNX", help=about)


def add_evaluate(commands: Any) -> None:
    about = "score generated videos, or a generator, against real videos"
    parser = add_command(commands, "evaluate", _evaluate, about)
    parser.epilog = (
        "distance: lower is better (LSE-D by SyncNet v2); confidence: higher is better; offset in "
        "frames of 1/25 s, negative where the sound is late; fine_offset to a tenth "
        "of a frame"
    )
    add = parser.add_argument
    add("generated", nargs="*", metavar="GENERATED", help="videos or folders of videos")
    add("--real", nargs="+", metavar="REAL", help="videos or folders of real videos")
    add("--pairs", metavar="CSV", help="instead: a file with lines generated,real")
    add("-o", "--output", metavar="DIR", help="write scores.csv, scores.json and report.html there")
    add("--against", metavar="DIR", help="an earlier output: compare on the videos in both")
    about = "wild (default), or cropped if the videos are face crops"
    add("--protocol", choices=("wild", "cropped"), metavar="NAME", help=about)
    _add_scoring(add)
    add_output_style(parser)
    add = parser.add_argument_group(
        "a generator", "dub pairs and score them; the same command continues an interrupted run"
    ).add_argument
    add("--model", help="name or path of the generator; needs -o")
    about = "auto or itself, as in lipsync dub"
    add("--reference-frames", choices=("auto", "itself"), metavar="HOW", help=about)
    about = "allow a judge that trained the generator; the tables say so"
    add("--allow-training-judge", action="store_true", help=about)
    add("--root", metavar="DIR", help="folder of videos: all are paired, or those in --filelist")
    add("--filelist", metavar="FILE", help="pairs in the published format, lines: video audio")
    add("--count", type=int, metavar="N", help="number of random pairs of --root (default: all)")
    add("--seed", type=int, help="seed of the random pairs (default: 0)")


def add_bench(commands: Any) -> None:
    about = "compare the dubs of several systems with real videos and baselines, on one page"
    parser = add_command(commands, "bench", _bench, about)
    parser.epilog = (
        "FOLDER holds real/NAME.mp4, SYSTEM/NAME.mp4 for each system, and optionally "
        "SYSTEM/silent/NAME.mp4 (dubbed with silence), sound/NAME.wav (the new sounds; else the "
        "dubs' own) and clips.csv (columns name, speaker, and others to group by)"
    )
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="real videos and dubs, see below")
    add("-o", "--output", required=True, metavar="OUT", help="the folder for index.html")
    add("--systems", metavar="A,B", help="only these systems (default: all in FOLDER)")
    about = "a lip reader, for clips with text and real_text in clips.csv"
    add("--reader", metavar="MODEL", help=about)
    add("--workers", type=int, metavar="N", help="processes (default: 1)")
    _add_scoring(add)
    add_output_style(parser)
    add = parser.add_argument_group("a system that is not dubbed yet").add_argument
    about = (
        "first dub real/ with sound/, by a program with arguments {video}, {sound} and {output}; "
        "the same command continues an interrupted run"
    )
    add("--command", metavar="COMMAND", help=about)
    add("--name", help="name of that system, and of the folder in FOLDER for its dubs")
    add = parser.add_argument_group("a blind study").add_argument
    about = "write OUT/study, a page that shows two dubs and asks which is better"
    add("--study", action="store_true", help=about)
    add("--seed", type=int, help="seed of the study's order and sides (default: 0)")
    add("--trials", type=int, metavar="N", help="pairs per participant (default: 30)")
    about = "files saved by the study page: adds the participants' preferences to index.html"
    add("--answers", nargs="+", metavar="FILE", help=about)


def add_calibrate(commands: Any) -> None:
    about = "calibrate a judge's confidence, and store the result in the judge's file"
    parser = add_command(commands, "calibrate", _calibrate, about)
    add = parser.add_argument
    add("judge", metavar="JUDGE", help="name or path of an expert or SyncNet v2")
    add("--data", dest="root", required=True, metavar="ROOT", help="a prepared set in sync")
    about = "splits to use, with people the judge was not trained on (default: val)"
    add("--splits", nargs="+", metavar="LIST", help=about)
    about = "speakers to leave out, such as those the judge was trained on"
    add("--without", nargs="+", metavar="SPEAKER", help=about)
    add("-o", "--output", help="the .safetensors to write (default: the judge's own file)")
    add("--level", type=float, metavar="P", help="probability that counts as sure (default: 0.9)")
    add("--device", help="device of the judge, e.g. cuda (default: cpu)")
    add_output_style(parser)


def add_curves(commands: Any) -> None:
    about = "draw the curves of a dub over its frames and its sound, as an HTML page"
    parser = add_command(commands, "curves", _curves, about)
    add = parser.add_argument
    add("curves", metavar="CURVES", help="the file written by lipsync dub --curves")
    add("video", metavar="DUB", help="the dub")
    add("-o", "--output", required=True, metavar="PAGE", help="the HTML file to write")


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
        raise ConfigError(f"{output}: is a file; name a folder with -o")
    earlier = evaluation.load_report(against) if against is not None else None
    clips: list[tuple[Path, str]] = []
    with progress_bars(quiet, "video") as progress:
        options["progress"] = lambda name, done, total: progress("scoring", done, total)
        if "model" in options:
            if generated or real or pairs is not None:
                raise ConfigError(
                    "--model generates the videos; leave out GENERATED, --real and --pairs"
                )
            report, clips = _evaluate_generator(output, **options)
        else:
            report = _evaluate_videos(generated, real, pairs, **options)
    comparison = evaluation.compare(earlier, report) if earlier is not None else None
    if json:
        print_json(report.as_dict())
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
    generated: Sequence[str | Path],
    real: Sequence[str | Path],
    pairs: str | None,
    **options: Any,
) -> Any:
    from lipsync import evaluation

    only = ("root", "filelist", "count", "seed", "reference_frames", "allow_training_judge")
    for name in (*only, "identity"):
        if name in options:
            raise ConfigError(f"--{name.replace('_', '-')} requires --model GENERATOR")
    if pairs is not None:
        more, more_real = evaluation.read_pairs(pairs)
        generated, real = [*generated, *more], [*real, *more_real]
    if not real:
        raise ConfigError(
            "no real videos, without which scores mean little; name them with --real, or use a "
            "--pairs file"
        )
    if not generated:
        raise ConfigError("no generated videos; name them before --real, or use a --pairs file")
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
        raise ConfigError("evaluating a generator needs an output folder; name it with -o")
    if filelist is not None:
        if count is not None or seed is not None:
            raise ConfigError(
                "--count and --seed draw random pairs, but --filelist names them; "
                "leave out one or the other"
            )
        pairs = evaluation.read_filelist(filelist, root)
    elif root is not None:
        pairs = evaluation.random_pairs([root], count, seed or 0)
    else:
        raise ConfigError("nothing to dub: name a folder of videos with --root, or a --filelist")
    report = evaluation.evaluate_generator(model, pairs, output, **options)
    return report, evaluation.report_clips(report, pairs, output)


def _bench(
    *,
    json: bool,
    quiet: bool,
    systems: str | None = None,
    command: str | None = None,
    name: str = "",
    **options: Any,
) -> None:
    from lipsync import evaluation

    if systems is not None:
        options["systems"] = [name.strip() for name in systems.split(",") if name.strip()]
    if "study" not in options and ("seed" in options or "trials" in options):
        raise ConfigError("--seed and --trials require --study")
    if bool(name) != (command is not None):
        raise ConfigError("--command and --name must be given together")
    with progress_bars(quiet, "clip") as progress:
        if command is not None:
            options["failed"] = evaluation.make_dubs(
                options["folder"],
                name,
                command,
                lambda name, done, total: progress("dubbing", done, total),
            )
            if "systems" in options:
                options["systems"].append(name)
        options["progress"] = lambda name, done, total: progress("scoring", done, total)
        result = evaluation.bench(**options)
    if json:
        print_json(result.as_dict())
    elif not quiet:
        print(f"{result.table()}\n{Path(options['output']) / 'index.html'}")
        if "study" in options:
            print(Path(options["output"]) / "study" / "index.html")


def _curves(curves: str, video: str, output: str) -> None:
    from lipsync.evaluation.curves import curves_page

    print(curves_page(curves, video, output))


def _calibrate(*, json: bool, quiet: bool, **options: Any) -> None:
    from lipsync import evaluation

    with progress_bars(quiet, "clip") as progress:
        options["progress"] = lambda name, done, total: progress("scoring", done, total)
        found = evaluation.calibrate_file(**options)
    if json:
        print_json(found.as_dict())
    elif not quiet:
        print(evaluation.calibration_table(found))
