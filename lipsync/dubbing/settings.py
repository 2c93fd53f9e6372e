"""Options of a dub from a YAML file."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import yaml

from lipsync.dubbing.pipeline import dub
from lipsync.errors import ConfigError

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
    try:
        found = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: holds no options; write lines such as 'speaker: left'")
    return checked_options(path, found)


def checked_options(path: str | Path, found: dict[Any, Any]) -> dict[str, Any]:
    """Options for :func:`lipsync.dubbing.dub` that the file ``path`` gives, by their names there.

    Raises:
        ConfigError: one that there is not, or a value that is of another kind than it takes.
    """
    given = {str(name).replace("-", "_"): value for name, value in found.items()}
    known = inspect.signature(dub).parameters
    for name, value in given.items():
        if name not in known or name in _NOT_OPTIONS:
            there_are = ", ".join(sorted(known.keys() - _NOT_OPTIONS))
            raise ConfigError(f"{path}: no option is named '{name}'; there are {there_are}")
        _check_kind(path, name, value, str(known[name].annotation))
    return given


def _check_kind(path: str | Path, name: str, value: Any, annotation: str) -> None:
    """Refuse a value that is of none of the plain kinds that the option's annotation names."""
    kinds = [part.strip() for part in annotation.split("|")]
    allowed: list[type] = [
        kind
        for word, kind in (("str", str), ("int", int), ("float", float), ("bool", bool))
        if word in kinds
    ]
    if "float" in kinds:
        allowed.append(int)
    fits = any(type(value) is kind for kind in allowed) or (value is None and "None" in kinds)
    if not fits:
        wanted = " or ".join(kind.__name__ for kind in dict.fromkeys(allowed))
        raise ConfigError(f"{path}: {name} must be {wanted}, got {value!r}")
