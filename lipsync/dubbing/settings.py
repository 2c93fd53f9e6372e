"""Options of a dub from a YAML file."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from lipsync.dubbing.pipeline import dub
from lipsync.options import check_kind, check_names, read_options_file

_NOT_OPTIONS = {"face", "audio", "output", "progress"}


def read_settings(path: str | Path) -> dict[str, Any]:
    """Options for :func:`lipsync.dubbing.dub`, by their names there; ``-`` in a name is ``_``.

    Example of a file::

        model: runs/wav2lip/checkpoints/best.ckpt
        speaker: left
        crf: 20

    Raises:
        ConfigError: the file cannot be read, is no list of options, or names one that there is not.
    """
    return checked_options(path, read_options_file(path))


def checked_options(path: str | Path, found: dict[str, Any]) -> dict[str, Any]:
    """Options for :func:`lipsync.dubbing.dub` that the file ``path`` gives, by their names there.

    Raises:
        ConfigError: one that there is not, or a value that is of another kind than it takes.
    """
    given = {name.replace("-", "_"): value for name, value in found.items()}
    known = inspect.signature(dub).parameters
    check_names(path, given, known.keys() - _NOT_OPTIONS)
    for name, value in given.items():
        check_kind(f"{path}: {name}", value, str(known[name].annotation))
    return given
