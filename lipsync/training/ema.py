"""Exponential moving average of weights, used for validation and checkpoints."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lipsync.training.buffers import average_over_processes, running_statistics


class MovingAverage(Callback):
    """Exponential moving average of the main network: generator, lip reader or expert.

    ``average = decay * average + (1 - decay) * weights`` after every optimiser step, which can be
    several batches; norm statistics are averaged too, and integer buffers copied. The decay starts
    lower, ``(1 + n) / (10 + n)`` at step ``n`` from 0, so that the initial weights are soon
    forgotten. Validation, testing and saved weights use the average; checkpoints also keep the raw
    weights for resuming.

    Args:
        decay: between 0 and 1.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self.weights: dict[str, Tensor] | None = None  # raw weights while the average is swapped in

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.average:
            self.average = _copy(_network(pl_module))
        device = pl_module.device
        self.average = {name: value.to(device) for name, value in self.average.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not pl_module.completes_step:
            return
        step = (pl_module.batches_done + 1) // pl_module.accumulate
        decay = min(self.decay, step / (9 + step))
        network = _network(pl_module).state_dict()
        pairs = [(self.average[name], value) for name, value in network.items()]
        floating = [pair for pair in pairs if pair[1].is_floating_point()]
        get_ema_multi_avg_fn(decay)(*map(list, zip(*floating, strict=True)), None)
        for average, value in pairs:
            if not value.is_floating_point():
                average.copy_(value)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            network = _network(pl_module)
            average_over_processes([self.average[name] for name in running_statistics(network)])
            self.weights = _copy(network)
            network.load_state_dict(self.average)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.weights is not None:
            _network(pl_module).load_state_dict(self.weights)
            self.weights = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        prefix = _prefix(pl_module)
        state = checkpoint["state_dict"]
        weights = self.weights or {name: state[prefix + name] for name in self.average}
        checkpoint["weights_in_training"] = weights
        for name, value in self.average.items():
            state[prefix + name] = value

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == "fit" and "weights_in_training" in checkpoint:
            self.average = _copy(_network(pl_module))  # from the state dict just loaded
            _network(pl_module).load_state_dict(checkpoint["weights_in_training"])


def _prefix(module: pl.LightningModule) -> str:
    parts = ("generator", "reader", "network", "expert")
    return next(f"{part}." for part in parts if hasattr(module, part))


def _network(module: pl.LightningModule) -> nn.Module:
    return getattr(module, _prefix(module)[:-1])


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
