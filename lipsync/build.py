"""Instantiate objects from YAML by Hydra's ``instantiate``, with one-line errors."""

from __future__ import annotations

import re
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

from lipsync.errors import ConfigError, LipsyncError
from lipsync.plugins import import_problem


def build(part: DictConfig, **more: Any) -> Any:
    """Instantiate the object that a config describes by ``_target_``.

    Args:
        part: a node of a composed config.
        more: further arguments.

    Raises:
        ConfigError: a missing value, or a ``_target_`` that cannot be imported or called with the
            given arguments; names the key.
        Exception: errors raised in a constructor pass through with their traceback.
    """
    try:
        return instantiate(part, _convert_="object", **more)
    except MissingMandatoryValue as error:
        raise ConfigError(
            f"{error.full_key}: a value is required; set {error.full_key}=VALUE"
        ) from None
    except InstantiationException as error:
        cause, text = error.__cause__, str(error)
        if cause is None:
            raise
        if isinstance(cause, LipsyncError):  # Hydra would wrap its one line in many
            raise cause from None
        key, target = _extract(r"full_key: (\S+)", text), _extract(r"target '([^']+)'", text)
        if text.startswith("Error locating"):
            module, _, name = target.rpartition(".")
            if getattr(cause.__cause__, "name", None) == target:  # also tried as a module
                raise ConfigError(f"{key}._target_={target}: {module} has no {name}") from error
            raise ConfigError(f"{key}._target_={target}: {import_problem(cause)}") from error
        if isinstance(cause, TypeError) and _is_call_error(cause):
            raise ConfigError(f"{key}: {cause}") from error
        raise cause from None


def _extract(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else "?"


def _is_call_error(error: TypeError) -> bool:
    """Whether the call itself failed, with arguments that do not fit the signature."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__", "").startswith("hydra.")
