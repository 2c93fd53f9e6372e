"""The command ``lipsync adapt``."""

from __future__ import annotations

import sys
from typing import Any

from lipsync.commands import add_command, add_output_style, print_result, progress_bars
from lipsync.errors import LipsyncError


def add_adapt(commands: Any) -> None:
    """Add ``lipsync adapt`` to the commands."""
    about = "fine-tune a generator on footage of one person"
    parser = add_command(commands, "adapt", _adapt, about)
    parser.epilog = (
        "the same command continues an interrupted run; if VIDEO is a folder with one folder or "
        "video per person, OUT is a folder, and gets one file per person"
    )
    add = parser.add_argument
    add("videos", nargs="+", metavar="VIDEO", help="footage of the person speaking")
    add("-o", "--output", required=True, metavar="OUT", help="the .safetensors to write")
    about = "name or path of the generator to start from (default: the bundled one)"
    add("--base", metavar="MODEL", help=about)
    add("--consent", metavar="TEXT", help="what the person agreed to; stored in the file")
    add(
        "--face",
        choices=("sync",),
        metavar="WHICH",
        help="for footage with several faces: sync, the one that speaks; otherwise it is refused",
    )
    add(
        "--no-sync-check",
        dest="sync_check",
        action="store_false",
        help="do not correct the audio offset",
    )
    add("--batches", type=int, metavar="N", help="maximum number of training steps (default: 300)")
    add("--device", help="device for training: cpu (default) or cuda")
    add("--work", metavar="DIR", help="keep the prepared footage and the run here")
    add_output_style(parser)


def _adapt(*, json: bool, quiet: bool, **options: Any) -> None:
    from lipsync.adapt import adapt, adapt_people, is_people

    if "consent" not in options and sys.stdin.isatty() and not quiet:
        question = "What has this person agreed to? (kept in the file; may be left empty) "
        if text := input(question).strip():
            options["consent"] = text
    with progress_bars(quiet, "step") as progress:
        if not is_people(options["videos"], options["output"]):
            print_result(adapt(progress=progress, **options), json, quiet)
            return
        result = adapt_people(options.pop("videos")[0], progress=progress, **options)
    print_result(result, json, quiet)
    if result.failed:
        raise LipsyncError(f"{len(result.failed)} adaptations failed")
