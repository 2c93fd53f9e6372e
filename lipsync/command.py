"""Hydra commands whose config errors are reported like any other bad input."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lipsync.errors import ConfigError, LipsyncError, exit_on_error, install_extra
from lipsync.failures import sweep_failures
from lipsync.misspelt import explain_unknown

_PACKAGE = Path(__file__).resolve().parent
CONF = str(_PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf")
"""Folder of the Hydra configs: inside the package in a wheel, next to it in the repository."""

_EXTRAS = {  # Hydra plugin -> the extra that installs it
    "joblib": "sweep",
    "optuna": "optuna",
    "submitit_local": "slurm",
    "submitit_slurm": "slurm",
    "ray": "sweep-ray",
}
# options that take paths
_FOLDERS = {"source", "output", "root", "path", "dir", "init_from", "base"}


def run_command(main: Callable[[], None], config: str) -> None:
    """Run a function wrapped by ``hydra.main`` that exits on its own errors.

    Args:
        main: the function.
        config: name of its config.

    Unknown or misspelt options, groups and values give one line on stderr and exit code 2, where
    Hydra itself prints several and exits with 1. A sweep with failed points ends in the same way,
    with one line per point. Paths need no quoting beyond the shell's, see :func:`quote_value`.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # raise, so that we can shorten the message
    sweeping = bool({"-m", "--multirun"}.intersection(sys.argv))
    sys.argv[1:] = [quote_value(argument, sweeping) for argument in sys.argv[1:]]
    with exit_on_error():
        try:
            main()
        except (HydraException, OmegaConfBaseException) as error:
            text = explain_unknown(error, CONF, config) or " ".join(str(error).split())
            raise ConfigError(_with_remedy(text)) from error
        except Exception as error:
            if not (failures := sweep_failures()):
                raise
            if not isinstance(error, LipsyncError):  # raised by Optuna if every trial failed
                failures.append(f"{type(error).__name__}: {error}")
            raise LipsyncError(_summary(failures)) from error
        if failures := sweep_failures():
            raise LipsyncError(_summary(failures))


def require_options(config: DictConfig, usage: str, *names: str) -> None:
    """Raise ConfigError with the command's usage unless all of these options are given."""
    if missing := [name for name in names if OmegaConf.is_missing(config, name)]:
        raise ConfigError(f"{' and '.join(missing)} not given: {usage}")


def quote_value(argument: str, sweeping: bool = False) -> str:
    """Quote the value of a command-line argument if Hydra would not take it literally.

    Hydra rejects accents, tildes, quotes, ``&``, ``#`` and ``=`` in values, and interprets commas,
    brackets and numbers; folder names may contain any of these.

    Args:
        argument: ``option=value``, or a flag.
        sweeping: commas separate the values of a sweep, unless a file of that exact name exists.
    """
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith(("-", "~")):
        return argument
    is_path = key.rpartition(".")[2].lstrip("+") in _FOLDERS
    if is_path or "/" in value:
        # shells do not expand ~ after "="
        value = re.sub("^~(?=/|$)", lambda _: str(Path.home()), value)
    try:
        parsed = OverridesParser.create().parse_override(f"{key}={value}")
    except HydraException:
        if not is_path and re.fullmatch(r"\[.*\]|\{.*\}", value):
            return argument  # a malformed list or mapping, which Hydra reports
    else:
        sweep = parsed.is_sweep_override()
        is_intended = "\\" in value or value[:1] in ("'", '"') or (sweep and sweeping)
        is_intended = is_intended or (not is_path and ("/" not in value or value[:1] in ("[", "{")))
        same = not sweep and (parsed.value() is None or str(parsed.value()) == value)
        if same or (is_intended and not os.path.exists(value)):  # noqa: PTH110 of any length
            return f"{key}={value}"
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + (m[2] and "\\'"), value)
    return f"{key}='{escaped}'"


def _summary(failures: list[str]) -> str:
    return "\n  ".join(["runs of the sweep failed:", *failures])


def _with_remedy(text: str) -> str:
    plugin = re.search(r"Could not find 'hydra/(?:launcher|sweeper)/(\w+)'", text)
    if plugin is None or plugin[1] not in _EXTRAS:
        return text
    extra = _EXTRAS[plugin[1]]
    return f"Hydra's plugin {plugin[1]} is not installed; {install_extra(extra)}"
