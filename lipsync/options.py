"""Options in dataclasses and YAML files: the values that each may have stand beside its default."""

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
_PLAIN = (str, Number, date, dict, list, _NONE)  # what YAML gives


def option(
    default: Any,
    *,
    choices: Iterable[str] = (),
    least: float = -float("inf"),
    most: float = float("inf"),
) -> Any:
    """A dataclass field with its default, and its choices or bounds (inclusive) beside None."""
    metadata = {"choices": tuple(choices), "least": least, "most": most}
    return field(default=default, metadata=metadata)


def check_options(options: Any) -> None:
    """Check every field of a dataclass by its annotation and what :func:`option` says of it.

    Raises:
        ConfigError: names the option, what it may be, and what it is.
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
    """Refuse a plain value of none of the kinds that an annotation names.

    Objects pass where the annotation names a class.

    Raises:
        ConfigError: names the option, the kinds and the value.
    """
    words = [word.partition("[")[0] for word in annotation.split(" | ")]
    kinds = [word for word in words if word in _KINDS]
    if isinstance(value, bool):  # which is an int to Python
        fits = "bool" in kinds
    elif isinstance(value, _PLAIN):
        fits = isinstance(value, tuple(_KINDS[word] for word in kinds))
    else:
        fits = len(kinds) < len(words)
    if not fits:
        wanted = " or ".join(kinds).replace("None", "null")
        raise ConfigError(f"{name} must be {wanted}, got {value!r}")


def read_options_file(path: str | Path) -> dict[str, Any]:
    """The options in a YAML file, by their names; ``-`` in a name is ``_``.

    Raises:
        ConfigError: it cannot be read, or holds no options.
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
    """Refuse names that are not known.

    Raises:
        ConfigError: names the first of them, and all that are known.
    """
    known = sorted(known)
    if unknown := sorted(set(given) - set(known)):
        there_are = ", ".join(known)
        raise ConfigError(f"{where}: unknown option '{unknown[0]}'; available: {there_are}")
