"""A script run by ``test_distributed``: MODEL ROOT OUTPUT PROCESSES BATCH_SIZE [ACCUMULATE].

One training step of a model and a validation. Saves in OUTPUT the gradients of its networks, as
their optimisers see them, the number of gradient exchanges, and the validation's numbers.
"""

import sys
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from pytorch_lightning.callbacks import Callback
from test_expert_training import expert_data
from test_lipgan import lipgan_data, lipgan_module
from test_modules import generator_data, generator_module, small_expert
from test_steps import without_norms
from tiny import CONSTANT, trainer
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from lipsync.training import ExpertTraining, terms


class Spy(torch.optim.SGD):
    """Records the gradient and leaves the weights unchanged."""

    gradients: ClassVar[list[torch.Tensor]] = []

    def step(self, closure=None):
        closure()  # Lightning clips here
        parameters = [p for group in self.param_groups for p in group["params"]]
        Spy.gradients.append(torch.cat([p.grad.flatten().clone() for p in parameters]))


class Exchanges(Callback):
    """Counts the gradient exchanges, per bucket."""

    count = 0

    def on_train_start(self, trainer, pl_module):
        if isinstance(trainer.strategy.model, DistributedDataParallel):
            trainer.strategy.model.register_comm_hook(None, self.exchange)

    def exchange(self, state, bucket):
        self.count += 1
        return allreduce_hook(None, bucket)


spy = partial(Spy, lr=1e-3)


def expert_module(**options) -> ExpertTraining:
    loss = {"bce": 0.5, "contrastive": 1.0}
    listed = {"bce": terms.PairsBCE(), "contrastive": terms.ClipInfoNCE()}
    return ExpertTraining(small_expert(), loss, terms=listed, schedule=CONSTANT, **options)


MODELS = {
    "syncnet": (expert_module, partial(expert_data, windows=8)),
    "wav2lip": (partial(generator_module, discriminator_optimizer=spy), generator_data),
    "lipgan": (partial(lipgan_module, discriminator_optimizer=spy), lipgan_data),
}


def main(
    model: str, root: str, output: str, processes: str, batch_size: str, accumulate: str = "1"
) -> None:
    torch.set_num_threads(1)
    (make_module, make_data), batches = MODELS[model], int(accumulate)
    module, data = without_norms(make_module(optimizer=spy, accumulate=batches)), make_data(root)
    data.batch_size, data.eval_batch_size, data.batches_per_epoch = int(batch_size), 1, batches
    exchanges = Exchanges()
    several = int(processes) > 1
    run = trainer(
        Path(output).parent,
        devices=int(processes),
        strategy="ddp_find_unused_parameters_true" if several else "auto",
        limit_train_batches=batches,
        callbacks=[exchanges],
    )
    run.fit(module, data)
    if run.is_global_zero:
        numbers = {k: float(v) for k, v in run.callback_metrics.items() if k.startswith("val/")}
        kept = {"gradients": Spy.gradients, "numbers": numbers, "exchanges": exchanges.count}
        torch.save(kept, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
