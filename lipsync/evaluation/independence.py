"""Whether a judge took part in the training of the generator whose dubs it is to score.

A network that was a loss rates what it trained above real videos, so its scores say nothing.
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
        judge: the network that is to score its dubs.
        name: the judge's name.
        model: the generator's name.
        trained_with: its record, see :func:`lipsync.checkpoints.origin.trained_with`.
        allowed: score nevertheless; the report says so.

    Returns:
        "yes", "no", or "unknown" for a generator without a record.

    Raises:
        ConfigError: it is, and that is not allowed.
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
    """The line that a report says it with; empty where there is nothing to say."""
    if trained == YES:
        return (
            f"WARNING: {judge} trained {model}: it overrates its dubs. Do not compare these "
            "numbers with others"
        )
    if trained == UNKNOWN:
        return f"note: {model} has no record of whether {judge} took part in its training"
    return ""
