"""Failed points of a Hydra sweep: each is reported, and the others continue."""

from __future__ import annotations

import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lipsync.errors import LipsyncError

_OF_INPUT = (LipsyncError, HydraException, OmegaConfBaseException)
_BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
_folder: Path | None = None  # where the current sweep's failures are kept


class SweepFailures(Callback):
    """Write the error of every failed point to ``failed/N.txt`` in the sweep's folder.

    Launchers pickle this callback and send it to the processes that train. Hydra's basic sweeper
    would stop at the first failure, so it is given a completed job that returned None; Optuna's
    gets the error, and marks the trial as failed.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        global _folder
        HydraConfig.instance().set_config(config)  # the folder's name may refer to hydra.choices
        OmegaConf.set_readonly(config.hydra, None)
        self.folder = _folder = Path(config.hydra.sweep.dir).absolute() / "failed"
        given = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
        self.fixed = {text.get_key_element() for text in given if not text.is_sweep_override()}
        shutil.rmtree(self.folder, ignore_errors=True)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if job_return.status != JobStatus.FAILED or not hasattr(self, "folder"):
            return
        error = job_return._return_value
        text = " ".join(str(error).split())
        if not isinstance(error, _OF_INPUT):
            traceback.print_exception(error)
            text = f"{type(error).__name__}: {text}"
        swept = " ".join(t for t in job_return.overrides or () if t.split("=")[0] not in self.fixed)
        line = f"point {config.hydra.job.num} ({swept}): {text}"
        print(f"error: {line}", file=sys.stderr, flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{config.hydra.job.num}.txt").write_text(line + "\n")
        if config.hydra.sweeper._target_ == _BASIC:
            job_return.status, job_return.return_value = JobStatus.COMPLETED, None


def sweep_failures() -> list[str]:
    """Failures of the sweep started by this process, one line per point, in order."""
    return read_failures(_folder) if _folder else []


def read_failures(folder: Path) -> list[str]:
    """The lines in a ``failed`` folder."""
    files = sorted(folder.glob("*.txt"), key=lambda path: int(path.stem))
    return [path.read_text().strip() for path in files]
