"""Shell completion of the commands, by shtab."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from lipsync.errors import ConfigError, install_extra

_FOLDERS = {"DIR", "FOLDER"}
_FILES = {
    "AUDIO", "BASE", "CSV", "FACE", "FILE", "JSON", "LIST", "MODEL", "OUT", "SOUND", "VIDEO", "YAML"
}  # fmt: skip
"""Metavars of options that take files."""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Completion script for bash, zsh or tcsh.

    Raises:
        ConfigError: shtab is not installed.
    """
    if not find_spec("shtab"):
        raise ConfigError(f"completion needs shtab; {install_extra('completion')}")
    import shtab

    _mark(parser, shtab.FILE, shtab.DIRECTORY)
    return str(shtab.complete(parser, shell=shell))


def _mark(parser: argparse.ArgumentParser, files: Any, folders: Any) -> None:
    """Mark the options of a parser and its subcommands that take files or folders."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark(command, files, folders)
            continue
        name = action.metavar if isinstance(action.metavar, str) else ""
        if name in _FOLDERS or (name in _FILES or "output" in action.dest):
            setattr(action, "complete", folders if name in _FOLDERS else files)  # noqa: B010
