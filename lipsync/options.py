"""Options in dataclasses and YAML files: allowed values are declared along with the default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, fields
from datetime import date
from numbers import Integral, Number, Real
from pathlib import Path
from typing import Any

import yaml

from lipsync.errors import ConfigError

_NONE = type(None)
_KINDS = {"str": str, "int": Integral, "float": Real, "bool": bool, "dict": dict}
_KINDS |= {"list": list, "None": _NONE}
_PLAIN = (str, Number, date, dict, list, _NONE)  # types that YAML yields


def option(
    default: Any,
    *,
    choices: Iterable[str] = (),
    least: float = -float("inf"),
    most: float = float("inf"),
) -> Any:
    """A dataclass field with a default, and choices or inclusive bounds; None is always allowed."""
    metadata = {"choices": tuple(choices), "least": least, "most": most}
    return field(default=default, metadata=metadata)


def check_options(options: Any) -> None:
    """Check every field of a dataclass against its annotation and its :func:`option` limits.

    Raises:
        ConfigError: names the option, the allowed values, and the given one.
    """
    for known in fields(options):
        name, value, limits = known.name, getattr(options, known.name), known.metadata
        check_kind(name, value, str(known.type))
        if not limits or value is None:
            continue
        if limits["choices"] and value not in limits["choices"]:
            raise ConfigError(
                f"{name} must be one of {', '.join(limits['choices'])}, got {value!r}"
            )
        least, most = limits["least"], limits["most"]
        if isinstance(value, Real) and not least <= value <= most:
            bounds = f"{least:g} or more" if most == float("inf") else f"{least:g} to {most:g}"
            raise ConfigError(f"{name} must be {bounds}, got {value}")


def check_kind(name: str, value: Any, annotation: str) -> None:
    """Check that a plain value has one of the types in an annotation.

    Other objects pass if the annotation names a class.

    Raises:
        ConfigError: names the option, the allowed types and the value.
    """
    words = [word.partition("[")[0] for word in annotation.split(" | ")]
    kinds = [word for word in words if word in _KINDS]
    if isinstance(value, bool):  # a subclass of int
        fits = "bool" in kinds
    elif isinstance(value, _PLAIN):
        fits = isinstance(value, tuple(_KINDS[word] for word in kinds))
    else:
        fits = len(kinds) < len(words)
    if not fits:
        wanted = " or ".join(kinds).replace("None", "null")
        raise ConfigError(f"{name} must be {wanted}, got {value!r}")


def read_options_file(path: str | Path) -> dict[str, Any]:
    """Read options from a YAML file, by name; ``-`` in a name becomes ``_``.

    Raises:
        ConfigError: the file cannot be read, or contains no options.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: contains no options; write lines of 'option: value'")
    return {str(name).replace("-", "_"): value for name, value in found.items()}


def check_names(where: str | Path, given: Iterable[str], known: Iterable[str]) -> None:
    """Check that all option names are known.

    Raises:
        ConfigError: names the first unknown one, and all known ones.
    """
    known = sorted(known)
    if unknown := sorted(set(given) - set(known)):
        there_are = ", ".join(known)
        raise ConfigError(f"{where}: unknown option '{unknown[0]}'; available: {there_are}")
