"""Shared parts of the ``lipsync`` commands: parsers with --plugin, progress bars, printed results.

Must be cheap to import, as it is imported whichever command runs.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def add_command(commands: Any, name: str, run: Callable[..., None], about: str) -> Any:
    """Add a parser for ``lipsync NAME``, which calls ``run`` with the given options only."""
    parser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        argument_default=argparse.SUPPRESS,
    )
    about = "import your own module first; may be repeated (docs/extending.md)"
    parser.add_argument("--plugin", action="append", default=[], metavar="MODULE", help=about)
    parser.set_defaults(run=run, command_parser=parser)
    return parser


def with_flags(message: str, parser: argparse.ArgumentParser) -> str:
    """An error message with the names of options as the flags of a command.

    Replaced are names in backquotes, also with a value, such as ```faces=sync```, and the name at
    the start of ``crf must be ...`` or ``batches=0: must be ...``.
    """
    flags = {one.dest: one.option_strings[-1] for one in parser._actions if one.option_strings}

    def written(match: re.Match[str]) -> str:
        flag = flags.get(match["name"])
        return match[0] if flag is None else flag + (match["value"] or "").replace("=", " ", 1)

    named = r"(?P<name>\w+)(?P<value>=[^`]*)?"
    message = re.sub(rf"^{named}(?=:? must be )", written, message)
    return re.sub(f"`{named}`", written, message)


def add_output_style(parser: argparse.ArgumentParser) -> None:
    """Add the options --json and --quiet."""
    parser.add_argument(
        "--json", action="store_true", default=False, help="print the result as JSON"
    )
    parser.add_argument(
        "--quiet", action="store_true", default=False, help="no progress bar, no summary"
    )


@contextmanager
def progress_bars(quiet: bool, unit: str) -> Iterator[Callable[[str, int, int | None], None]]:
    """A progress callback that draws one bar per stage if stderr is a terminal."""
    from tqdm import tqdm

    open_bars: dict[str, tqdm] = {}

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage not in open_bars:
            for finished in open_bars.values():
                finished.close()
            counted = "step" if "adapt: " in stage else unit
            open_bars[stage] = tqdm(desc=stage, total=total, unit=counted, disable=quiet or None)
        open_bars[stage].total = total
        open_bars[stage].update(done - open_bars[stage].n)

    try:
        yield progress
    finally:
        for bar in open_bars.values():
            bar.close()


def print_result(result: Any, as_json: bool, quiet: bool) -> None:
    """Print a result as JSON or as text."""
    if as_json:
        print_json(result.as_dict())
    elif not quiet:
        print(result)


def print_json(value: Any) -> None:
    """Print plain values as indented JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
