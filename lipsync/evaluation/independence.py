"""Whether a judge took part in training the generator whose dubs it scores.

A network that was used as a loss rates the generator above real videos, so its scores are
meaningless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from lipsync.checkpoints.origin import identities
from lipsync.errors import ConfigError

YES, NO, UNKNOWN = "yes", "no", "unknown"


def judge_trained(
    judge: nn.Module,
    name: str,
    model: str,
    trained_with: Mapping[str, Sequence[str]] | None,
    allowed: bool,
) -> str:
    """Whether the judge is one of the frozen networks that trained a generator.

    Args:
        judge: the network that scores the dubs.
        name: the judge's name.
        model: the generator's name.
        trained_with: the generator's record, see :func:`lipsync.checkpoints.origin.trained_with`.
        allowed: score nevertheless; the report says so.

    Returns:
        "yes", "no", or "unknown" for a generator without a record.

    Raises:
        ConfigError: the judge trained the generator, and that is not allowed.
    """
    if trained_with is None:
        return UNKNOWN
    known = identities(judge)
    terms = [term for term, hashes in trained_with.items() if known & set(hashes)]
    if terms and not allowed:
        raise ConfigError(
            f"judge {name} trained {model} (model.loss.{terms[0]}) and overrates its dubs; "
            "choose another with --judge, or accept it with --allow-training-judge"
        )
    return YES if terms else NO


def independence(trained: str | None, judge: str, model: str) -> str:
    """The line for a report; empty if the judge is independent."""
    if trained == YES:
        return (
            f"WARNING: {judge} trained {model}: it overrates its dubs. Do not compare these "
            "numbers with others"
        )
    if trained == UNKNOWN:
        return f"note: {model} has no record of whether {judge} took part in its training"
    return ""
