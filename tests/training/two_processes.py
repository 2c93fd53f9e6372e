"""Run as a script by ``test_distributed``: ROOT OUTPUT PROCESSES BATCH_SIZE.

One batch of a generator's training and a validation; leaves the generator's gradient, as its
optimiser sees it, and the validation's numbers in OUTPUT.
"""

import sys
from pathlib import Path

import torch
from test_modules import generator_data, generator_module, small_expert
from test_steps import without_norms
from tiny import trainer


class Spy(torch.optim.SGD):
    """Keeps the gradient and leaves the weights."""

    gradient: torch.Tensor

    def step(self, closure=None):
        parameters = self.param_groups[0]["params"]
        Spy.gradient = torch.cat([p.grad.flatten().clone() for p in parameters])


def main(root: str, output: str, processes: str, batch_size: str) -> None:
    torch.set_num_threads(1)
    module = generator_module(
        optimizer=lambda parameters: Spy(parameters, lr=1e-3),
        discriminator_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        expert=small_expert(),
    )
    without_norms(module.generator)
    data = generator_data(root)
    data.batch_size, data.eval_batch_size, data.batches_per_epoch = int(batch_size), 1, 1
    several = int(processes) > 1
    run = trainer(
        Path(output).parent,
        devices=int(processes),
        strategy="ddp_find_unused_parameters_true" if several else "auto",
        limit_train_batches=1,
    )
    run.fit(module, data)
    if run.is_global_zero:
        numbers = {k: float(v) for k, v in run.callback_metrics.items() if k.startswith("val/")}
        torch.save({"gradient": Spy.gradient, "numbers": numbers}, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
