"""A script run by ``test_distributed``: ROOT OUTPUT.

Two epochs of a generator with norms and a moving average in two processes; each saves its running
statistics in OUTPUT/RANK.pt: after the last batch, during validation, and when training continues.
"""

import sys
from pathlib import Path

import torch
from pytorch_lightning.callbacks import Callback
from test_modules import generator_data, generator_module
from tiny import trainer

from lipsync.training.buffers import running_statistics
from lipsync.training.ema import MovingAverage


class Looks(Callback):
    def __init__(self):
        self.seen = []

    def look(self, name, module, average):
        statistics = running_statistics(module).items()
        kept = {"weights": {name: value.clone() for name, value in statistics}}
        kept["average"] = {name: value.clone() for name, value in average.items()}
        self.seen.append((name, kept))

    def on_train_batch_end(self, trainer, module, *_):
        self.look("trained", module, trainer.callbacks[0].average)

    def on_validation_epoch_start(self, trainer, module):
        self.look("validated", module, trainer.callbacks[0].average)

    def on_train_epoch_end(self, trainer, module):
        self.look("goes on", module, trainer.callbacks[0].average)


def main(root: str, output: str) -> None:
    torch.set_num_threads(1)
    looks = Looks()
    run = trainer(
        Path(output),
        devices=2,
        max_epochs=2,
        strategy="ddp_find_unused_parameters_true",
        callbacks=[MovingAverage(0.9), looks],
    )
    run.fit(generator_module(), generator_data(root))
    torch.save(looks.seen, Path(output) / f"{run.global_rank}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
