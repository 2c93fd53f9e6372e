"""One line on an option that Hydra does not know, with the nearest one that exists."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_UNKNOWN = re.compile(r"Could not (?:override|delete(?: from config\.)?) '([^']+)'")
_GROUP_ELSEWHERE = re.compile(r"Did you mean to override (?:one of )?(.+?)\?")
_CHOICE = re.compile(r"Could not (?:find|load) '(\w[\w/]*)/([^'/]+)'")


def explain_unknown(error: Exception, folder: str, config: str) -> str | None:
    """Name an unknown option or choice of a command, and the nearest one; None for other errors.

    Args:
        error: raised by Hydra while it composed the config.
        folder: the config folder.
        config: name of the config in it.
    """
    text = str(error)
    found = _CHOICE.search(text)
    if found and isinstance(error, MissingConfigException) and error.options:
        (group, name), choices = found.groups(), sorted(error.options)
        return f"{group}={name}: must be one of {', '.join(choices)}{suggest(name, choices)}"
    found = _UNKNOWN.search(text)
    if found is None:
        return None
    key = found[1]
    if other := _GROUP_ELSEWHERE.search(text):
        return f"no option {key}; did you mean {other[1]}?"
    known = _known_keys(folder, config, key)
    last = key.rpartition(".")[2]
    same = [name for name in known if name.rpartition(".")[2] == last]
    return f"no option {key}{suggest(key, known) or suggest(key, same, least=0.0)}"


def suggest(name: str, known: Iterable[str], prefix: str = "", *, least: float = 0.6) -> str:
    """``; did you mean ...?`` with the nearest known name, or nothing if none is near.

    Args:
        prefix: of the name as it is shown.
        least: least similarity, from 0 to 1, see :mod:`difflib`.
    """
    nearest = get_close_matches(name, list(known), n=1, cutoff=least)
    return f"; did you mean {prefix}{nearest[0]}?" if nearest else ""


def _known_keys(folder: str, config: str, unknown: str) -> list[str]:
    """Options and groups of the config that the command line describes without unknown options."""
    given = [override for override in _given() if override.key_or_group != unknown]
    groups = [each for each in given if (Path(folder) / each.key_or_group).is_dir()]
    for overrides in (given, groups, []):
        try:
            with initialize_config_dir(folder, version_base="1.3"):
                lines = [str(each.input_line) for each in overrides if not each.is_sweep_override()]
                composed = compose(config, lines, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException):
            continue  # another option is wrong, too
        choices = composed.hydra.runtime.choices
        names = [*_keys(composed), *(str(name) for name in choices)]
        own = unknown.startswith("hydra")
        return [name for name in names if own or not name.startswith("hydra")]
    return []


def _given() -> list[Override]:
    parser, given = OverridesParser.create(), []
    for argument in sys.argv[1:]:
        try:
            given.append(parser.parse_override(argument))
        except HydraException:  # a flag
            continue
    return given


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in map(str, node):
        key = prefix + name
        yield key
        below = None if OmegaConf.is_missing(node, name) else node._get_node(name)
        if isinstance(below, DictConfig) and not below._is_none() and not below._is_interpolation():
            yield from _keys(below, f"{key}.")
