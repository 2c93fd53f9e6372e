"""Commands that Hydra configures: options that do not compose are bad input like any other."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lipsync.errors import ConfigError, LipsyncError, exit_on_error
from lipsync.failures import sweep_failures

_EXTRAS = {  # of Hydra's plugins, the extra that installs them
    "joblib": "sweep",
    "optuna": "optuna",
    "submitit_local": "slurm",
    "submitit_slurm": "slurm",
    "ray": "sweep-ray",
}


def run_command(main: Callable[[], None]) -> None:
    """Run a function that ``hydra.main`` has wrapped, and that turns its own errors into exits.

    Unknown or misspelt options, groups and values become one line on stderr and exit code 2, where
    Hydra itself prints several and exits with 1. So does a sweep with points that failed, at its
    end and with a line for each.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # raise, for us to say it shorter
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


def _summary(failures: list[str]) -> str:
    return "\n  ".join(["points of the sweep have failed:", *failures])


def _remedied(text: str) -> str:
    plugin = re.search(r"Could not find 'hydra/(?:launcher|sweeper)/(\w+)'", text)
    if plugin is None or plugin[1] not in _EXTRAS:
        return text
    extra = _EXTRAS[plugin[1]]
    return f"Hydra's plugin {plugin[1]} is not installed; pip install 'lipsync[{extra}]'"
