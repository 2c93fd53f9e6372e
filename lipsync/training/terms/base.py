"""What a term of an objective is, and how terms are listed under ``model.loss``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from lipsync.data.inputs import Span
from lipsync.errors import ConfigError
from lipsync.training.frozen import Frozen


class Term(nn.Module):
    """One term of an objective: called on a step, it returns one value to minimise.

    A term of a generator is called on a :class:`~lipsync.training.step.Step`, one of an expert on
    ``(audio, face, start)``. A frozen network that it needs is wrapped in
    :class:`~lipsync.training.frozen.Frozen`.

    Args:
        weight: for a term that is given by its class under ``model.loss``; not used for terms whose
            weight is a number there.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def factor(self, batch: int) -> float:
        """Factor of its weight at a training batch, 0 to 1."""
        del batch
        return 1.0

    def span(self) -> Span | None:
        """Request for the sound of whole windows, given in ``step.spans`` under the term's name."""
        return None

    def attach(self, name: str, networks: Mapping[str, Any]) -> None:
        """Called once with the name of the term and the networks of the training.

        These are ``generator``, ``discriminator`` if there is one, and ``expert``, its path or
        name; or the ``expert`` that is being trained.

        Raises:
            ConfigError: the networks do not fit the term.
        """

    def validated(self, value: float, batch: int) -> None:
        """Called with the term's mean over the generated pictures of a validation."""

    def hashes(self) -> list[str]:
        """Hashes of the frozen networks in this term."""
        return [part.sha256 for part in self.modules() if isinstance(part, Frozen)]


def weighted_terms(
    loss: Mapping[str, Any], terms: Mapping[str, Term] | None, missing: tuple[str, ...] = ()
) -> tuple[nn.ModuleDict, dict[str, float]]:
    """The terms that have a weight, and their weights, from ``model.loss`` and ``model.terms``.

    Args:
        loss: name -> weight of the term of that name in ``terms``, or a :class:`Term` with a weight
            of its own.
        terms: name -> term.
        missing: terms that are left out, since what they need is not there.

    Raises:
        ConfigError: a weight that is no number or negative, of a term that there is not, or one
            term listed twice; no term with a weight at all.
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
