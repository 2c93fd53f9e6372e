"""Activation checkpointing: recompute activations in the backward pass to save memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from lipsync.models.growth import OuterStage

_STAGES = (nn.Sequential, OuterStage)


def recompute_stages(network: nn.Module) -> None:
    """Make each stage of a network keep only its input for the backward pass.

    Stages are the outermost ``Sequential`` and ``OuterStage`` modules. Outputs, gradients and norm
    statistics do not change.

    Args:
        network: one from :mod:`lipsync.models`, changed in place; parameters and their names do not
            change.
    """
    for stage in _stages(network):
        stage.forward = partial(_run_checkpointed, stage, stage.forward)


def _stages(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, _STAGES):
            yield child
        else:
            yield from _stages(child)


def _run_checkpointed(stage: nn.Module, forward: Any, *inputs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs)

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _freeze_statistics(stage)

    return checkpoint(
        forward, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
    )


@contextmanager
def _freeze_statistics(stage: nn.Module) -> Iterator[None]:
    """Keep norms from updating their running statistics during recomputation."""
    norms = [part for part in stage.modules() if isinstance(part, _NormBase)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counted) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counted
