"""Commands that Hydra configures: options that do not compose are bad input like any other."""

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

from lipsync.errors import ConfigError, LipsyncError, exit_on_error
from lipsync.failures import sweep_failures

_PACKAGE = Path(__file__).resolve().parent
CONF = str(_PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf")
"""The folder of the options: in a wheel it lies in the package, in the repository beside it."""

_EXTRAS = {  # of Hydra's plugins, the extra that installs them
    "joblib": "sweep",
    "optuna": "optuna",
    "submitit_local": "slurm",
    "submitit_slurm": "slurm",
    "ray": "sweep-ray",
}
# options that are paths
_FOLDERS = {"source", "output", "root", "path", "dir", "init_from", "base"}


def run_command(main: Callable[[], None]) -> None:
    """Run a function that ``hydra.main`` has wrapped, and that turns its own errors into exits.

    Unknown or misspelt options, groups and values become one line on stderr and exit code 2, where
    Hydra itself prints several and exits with 1. So does a sweep with points that failed, at its
    end and with a line for each. Paths need no quotes beyond the shell's, see :func:`quoted`.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # raise, for us to say it shorter
    sweeping = bool({"-m", "--multirun"}.intersection(sys.argv))
    sys.argv[1:] = [quoted(argument, sweeping) for argument in sys.argv[1:]]
    with exit_on_error():
        try:
            main()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(_remedied(" ".join(str(error).split()))) from error
        except Exception as error:
            if not (failures := sweep_failures()):
                raise
            if not isinstance(error, LipsyncError):  # Optuna's, where every trial failed
                failures.append(f"{type(error).__name__}: {error}")
            raise LipsyncError(_summary(failures)) from error
        if failures := sweep_failures():
            raise LipsyncError(_summary(failures))


def check_given(config: DictConfig, usage: str, *names: str) -> None:
    """Raise ConfigError, which shows how the command is used, unless all of these are given."""
    if missing := [name for name in names if OmegaConf.is_missing(config, name)]:
        raise ConfigError(f"{' and '.join(missing)} not given: {usage}")


def quoted(argument: str, sweeping: bool = False) -> str:
    """A command-line argument with its value in quotes where Hydra would not take it as it is.

    Hydra knows no accents, tildes, quotes, ``&``, ``#`` or ``=`` in a value, and takes commas,
    brackets and numbers apart; any of these may be in a folder's name.

    Args:
        argument: ``option=value``, or a flag.
        sweeping: commas part the values of a sweep, unless a file has just that name.
    """
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith(("-", "~")):
        return argument
    named = key.rpartition(".")[2].lstrip("+") in _FOLDERS
    if named or "/" in value:
        # which shells do not do behind "="
        value = re.sub("^~(?=/|$)", lambda _: str(Path.home()), value)
    try:
        parsed = OverridesParser.create().parse_override(f"{key}={value}")
    except HydraException:
        if not named and re.fullmatch(r"\[.*\]|\{.*\}", value):
            return argument  # a list or mapping with a slip, which Hydra says
    else:
        sweep = parsed.is_sweep_override()
        meant = "\\" in value or value[:1] in ("'", '"') or (sweep and sweeping)
        meant = meant or (not named and ("/" not in value or value[:1] in ("[", "{")))
        same = not sweep and (parsed.value() is None or str(parsed.value()) == value)
        if same or (meant and not os.path.exists(value)):  # noqa: PTH110 of any length
            return f"{key}={value}"
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + (m[2] and "\\'"), value)
    return f"{key}='{escaped}'"


def _summary(failures: list[str]) -> str:
    return "\n  ".join(["runs of the sweep failed:", *failures])


def _remedied(text: str) -> str:
    plugin = re.search(r"Could not find 'hydra/(?:launcher|sweeper)/(\w+)'", text)
    if plugin is None or plugin[1] not in _EXTRAS:
        return text
    extra = _EXTRAS[plugin[1]]
    return f"Hydra's plugin {plugin[1]} is not installed; pip install 'lipsync-lab[{extra}]'"
