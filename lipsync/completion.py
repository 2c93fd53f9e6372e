"""Completion of the commands in shells, by shtab."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from lipsync.errors import ConfigError

_FOLDERS = {"DIR", "FOLDER"}
_FILES = {
    "AUDIO", "BASE", "CSV", "FACE", "FILE", "JSON", "LIST", "MODEL", "OUT", "SOUND", "VIDEO", "YAML"
}  # fmt: skip
"""What options are called in the help that are files."""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """A script for bash, zsh or tcsh.

    Raises:
        ConfigError: shtab is not installed.
    """
    if not find_spec("shtab"):
        raise ConfigError("completion needs shtab; pip install 'lipsync-lab[completion]'")
    import shtab

    _mark(parser, shtab.FILE, shtab.DIRECTORY)
    return str(shtab.complete(parser, shell=shell))


def _mark(parser: argparse.ArgumentParser, files: Any, folders: Any) -> None:
    """Say which options of a parser and its commands are files and folders."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark(command, files, folders)
            continue
        name = action.metavar if isinstance(action.metavar, str) else ""
        if name in _FOLDERS or (name in _FILES or "output" in action.dest):
            setattr(action, "complete", folders if name in _FOLDERS else files)  # noqa: B010
