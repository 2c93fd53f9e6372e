"""Instantiate objects from YAML by Hydra's ``instantiate``, with one-line errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from lipsync.errors import ConfigError, LipsyncError
from lipsync.misspelt import suggest
from lipsync.plugins import import_problem


def build(part: DictConfig, **more: Any) -> Any:
    """Instantiate the object that a config describes by ``_target_``.

    Args:
        part: a node of a composed config.
        more: further arguments.

    Raises:
        ConfigError: a missing value, or a ``_target_`` that cannot be imported or called with the
            given arguments; names the key.
        Exception: other errors raised in a constructor pass through with their traceback.
    """
    try:
        built = instantiate(part, _convert_="object", **more)
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
        if isinstance(cause, TypeError):
            if unknown := explain_keyword(cause, part):
                raise ConfigError(unknown) from error
            if _is_call_error(cause):
                raise ConfigError(f"{key}: {cause}") from error
        raise cause from None
    _check_factories(part)
    return built


def explain_keyword(error: TypeError, part: DictConfig) -> str | None:
    """Name the key of a config that a constructor has refused, and the nearest one that it takes.

    Returns:
        None if the error is another one, or if its keyword does not come from the config.
    """
    found = re.search(r"got an unexpected keyword argument '(\w+)'", str(error))
    if found is None:
        return None
    for node, target in _targets(part):
        known, _ = _parameters(target)
        if found[1] in node and found[1] not in known:
            return _no_option(node, found[1], known)
    return None


def _check_factories(part: DictConfig) -> None:
    """Raise ConfigError for an unknown argument of a ``_partial_``, which is called only later."""
    for node, target in _targets(part):
        if not node.get("_partial_"):
            continue
        known, takes_others = _parameters(target)
        names = [str(name) for name in node if not str(name).startswith("_")]
        if not takes_others and (unknown := [name for name in names if name not in known]):
            raise ConfigError(_no_option(node, unknown[0], known))


def _no_option(node: DictConfig, name: str, known: list[str]) -> str:
    key = node._get_full_key(name)
    hint = suggest(name, known, key.removesuffix(name))
    return f"no option {key}, as {node['_target_']} has no such argument{hint}"


def _targets(node: Any) -> Iterator[tuple[DictConfig, Callable[..., Any]]]:
    """The nodes below a node, and itself, that describe objects, with what they call."""
    if not isinstance(node, DictConfig | ListConfig) or node._is_none() or node._is_missing():
        return
    if isinstance(node, ListConfig):
        for index in range(len(node)):
            yield from _targets(node._get_node(index))
        return
    for name in map(str, node):
        if not OmegaConf.is_interpolation(node, name):
            yield from _targets(node._get_node(name))
    if isinstance(node.get("_target_"), str):
        try:
            target = get_object(node["_target_"])
        except Exception:  # it may not have been imported yet, and may raise anything
            return
        yield node, target


def _parameters(target: Callable[..., Any]) -> tuple[list[str], bool]:
    """Names of the parameters of a callable, and whether it takes others, too.

    Those of a class include those of its bases, to which it passes others on.
    """
    calls = [target]
    if inspect.isclass(target):
        calls = [vars(kind)["__init__"] for kind in target.__mro__ if "__init__" in vars(kind)]
    names: list[str] = []
    takes_others = []
    for call in calls:
        given = inspect.signature(call).parameters.values()
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names += [each.name for each in given if each.kind in named]
        takes_others.append(any(each.kind is each.VAR_KEYWORD for each in given))
        if not takes_others[-1]:
            break
    return [name for name in names if name != "self"], takes_others[0]


def _extract(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else "?"


def _is_call_error(error: TypeError) -> bool:
    """Whether the call itself failed, with arguments that do not fit the signature."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__", "").startswith("hydra.")
