"""The command ``lipsync``: dub, adapt, translate, voice, evaluate, bench, and more.

Only cheap modules are imported at the top, so that ``lipsync --help`` is fast. Options that are not
given are not passed on, so that defaults are defined in the functions alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from lipsync import __version__
from lipsync.adapt.command import add_adapt
from lipsync.commands import (
    add_command,
    add_output_style,
    print_json,
    print_result,
    with_flags,
)
from lipsync.demo.command import add_demo
from lipsync.dubbing.command import add_dub
from lipsync.errors import ConfigError, exit_on_error
from lipsync.evaluation.command import add_bench, add_calibrate, add_curves, add_evaluate
from lipsync.plugins import import_plugins
from lipsync.translation.command import add_translate

_CONFIGURED = {
    "prepare": (
        "data_prep",
        "prepare a dataset: source=DIR output=DIR and the options of conf/prepare.yaml",
    ),
    "train": (
        "lipsync.train",
        "train a model: model=NAME data=NAME and the options of conf/train.yaml",
    ),
}
"""Commands configured by Hydra: name -> module and help text."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Bad input gives one line on stderr and exit code 2; Ctrl-C exit code 130."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in _CONFIGURED:
        # replace this process, so that child processes are started with the module's own command
        command = [sys.executable, "-m", _CONFIGURED[words[0]][0], *words[1:]]
        os.execv(command[0], command)
    options = vars(_parser().parse_args(words))
    run: Callable[..., None] = options.pop("run")
    parser: argparse.ArgumentParser = options.pop("command_parser")
    with exit_on_error(rewrite=lambda message: with_flags(message, parser)):
        import_plugins(options.pop("plugin"))
        run(**options)
    return 0


class _Parser(argparse.ArgumentParser):
    """Parser whose errors are one line, as for all bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lipsync", description="Dub faces, score lip-sync, convert and inspect models."
    )
    parser.add_argument("--version", action="version", version=f"lipsync {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (_, about) in _CONFIGURED.items():
        commands.add_parser(name, help=about, add_help=False)
    add_dub(commands)
    add_adapt(commands)
    add_translate(commands)
    _add_voice(commands)
    add_evaluate(commands)
    add_bench(commands)
    add_calibrate(commands)
    add_curves(commands)
    _add_export(commands)
    _add_doctor(commands)
    add_demo(commands)
    _add_completion(commands)
    return parser


def _add_voice(commands: Any) -> None:
    parser = add_command(commands, "voice", _voice, "convert speech to another voice")
    add = parser.add_argument
    add("audio", metavar="AUDIO", help="a sound file, or a video with sound")
    add("-o", "--output", required=True, help="the WAV to write")
    add("--model", help="name or path of a trained voice converter")
    about = "instead: a recording of the voice, for a rough match without training"
    add("--reference", metavar="AUDIO", help=about)
    add("--speaker", metavar="NAME", help="which of the model's voices (default: the second)")
    add("--device", help="device of the model, e.g. cuda (default: cpu)")
    add_output_style(parser)


def _add_export(commands: Any) -> None:
    parser = add_command(
        commands, "export", _export, "convert a model, or a mix of two, to a file, or upload it"
    )
    parser.add_argument("model", metavar="MODEL", help="name or path of a model")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a .pth, .safetensors or .onnx file, or a hub repository, hf://org/repo",
    )
    parser.add_argument(
        "--mix", metavar="OTHER", help="interpolate between MODEL and one fine-tuned from it"
    )
    parser.add_argument(
        "--share", type=float, metavar="S", help="share of OTHER in the mix, 0 to 1 (default: 0.5)"
    )
    parser.add_argument(
        "--card", metavar="YAML", help="the model card: name, data, licence, metrics, limits"
    )


def _add_doctor(commands: Any) -> None:
    about = "describe the installation, or a model file"
    parser = add_command(commands, "doctor", _doctor, about)
    parser.add_argument("file", nargs="?", default=None, metavar="FILE", help="a model file")
    parser.add_argument("--json", action="store_true", default=False, help="print JSON")


def _add_completion(commands: Any) -> None:
    about = "print a script that completes this command in a shell"
    parser = add_command(commands, "completion", _completion, about)
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL")
    parser.epilog = 'bash, zsh or tcsh; for example: eval "$(lipsync completion bash)"'


# ---------------------------------------------------------------- what the commands do


def _voice(*, json: bool, quiet: bool, **options: Any) -> None:
    from lipsync.voice import convert_file

    print_result(convert_file(**options), json, quiet)


def _export(model: str, output: str, **options: Any) -> None:
    from lipsync.export import export

    if "share" in options and "mix" not in options:
        raise ConfigError("--share requires --mix MODEL")
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


def _completion(shell: str) -> None:
    from lipsync.completion import script

    print(script(_parser(), shell))
