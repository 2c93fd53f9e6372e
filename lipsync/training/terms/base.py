"""Base class of loss terms, and how they are listed under ``model.loss``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from lipsync.data.inputs import Span
from lipsync.errors import ConfigError
from lipsync.training.frozen import Frozen


class Term(nn.Module):
    """One loss term: called on a step, it returns a scalar to minimise.

    Generator terms are called on a :class:`~lipsync.training.step.Step`, expert terms on
    ``(audio, face, start)``. Wrap any frozen network in
    :class:`~lipsync.training.frozen.Frozen`.

    Args:
        weight: weight of a term given by its class under ``model.loss``; ignored if the weight is
            given there as a number.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def factor(self, batch: int) -> float:
        """Factor on the weight at a training batch, 0 to 1."""
        del batch
        return 1.0

    def span(self) -> Span | None:
        """Request for the audio of whole windows, given in ``step.spans`` under the term's name."""
        return None

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        """Called once with the term's name and the networks of the training.

        In generator training these are ``generator``, ``discriminator`` if there is one, and
        ``expert`` (a network, path or name); in expert training, the ``expert`` being trained.

        Raises:
            ConfigError: the networks do not fit the term.
        """

    def validated(self, value: float, batch: int) -> None:
        """Called after validation with the term's mean over generated frames."""

    def hashes(self) -> list[str]:
        """Hashes of the frozen networks in this term."""
        return [part.sha256 for part in self.modules() if isinstance(part, Frozen)]


def weighted_terms(
    loss: Mapping[str, Any], terms: Mapping[str, Term] | None, missing: tuple[str, ...] = ()
) -> tuple[nn.ModuleDict, dict[str, float]]:
    """Terms with a non-zero weight, and their weights, from ``model.loss`` and ``model.terms``.

    Args:
        loss: name -> weight of the term of that name in ``terms``, or a :class:`Term` with its own
            weight.
        terms: name -> term.
        missing: names of terms to drop because something they need is missing.

    Raises:
        ConfigError: an invalid weight, an unknown or duplicate term, or no term with a weight.
    """
    known, weights = dict(terms or {}), {}
    for name, value in loss.items():
        if isinstance(value, nn.Module):
            if not isinstance(value, Term):
                raise ConfigError(f"model.loss.{name}: {type(value).__name__} is not a Term")
            if name in known:
                raise ConfigError(
                    f"model.loss.{name}: model.terms also has a term of that name; rename one"
                )
            known[name], value = value, value.weight
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"model.loss.{name}={value}: must be a weight, or a term with one")
        if name not in known:
            there = ", ".join(known)
            raise ConfigError(f"model.loss.{name}: unknown term; model.terms has {there}")
        if not 0 <= value < float("inf"):
            raise ConfigError(f"model.loss.{name}={value}: a weight must be 0 or more")
        if value and name not in missing:
            weights[name] = float(value)
    if not weights:
        raise ConfigError(
            "model.loss: all weights are 0, so nothing would be learnt; give one term a weight"
        )
    used = {name: known[name] for name in weights}
    _check_distinct(used)
    return nn.ModuleDict(used), weights


def _check_distinct(terms: Mapping[str, Term]) -> None:
    seen: dict[str, str] = {}
    for name, term in terms.items():
        options = {k: v for k, v in vars(term).items() if k != "weight" and not k.startswith("_")}
        same = f"{type(term)} {sorted(options.items())}"
        same += str(term.hashes())
        if same in seen:
            raise ConfigError(
                f"model.loss.{name} and model.loss.{seen[same]} are the same term; delete one"
            )
        seen[same] = name
