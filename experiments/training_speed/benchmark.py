"""How fast is a training step of generator, discriminator and expert, and what makes it so?

    python experiments/training_speed/benchmark.py            # published sizes
    python experiments/training_speed/benchmark.py --small    # those of size=small

The step is that of :class:`lipsync.training.GeneratorTraining`, with 4 windows of 5 frames. The
plain form computes in float32 in PyTorch's default memory layout; ours is channels-last, and uses
bfloat16 autocast if the processor supports it. Forms alternate, so that other load on the machine
slows all of them alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from lipsync import losses
from lipsync.models import QualityDiscriminator, SyncNet, Wav2Lip
from lipsync.training import GeneratorTraining, terms
from lipsync.training import step as training_step
from lipsync.training.optim import warmup_cosine
from lipsync.training.settings import resolve_precision
from lipsync.windows import lower_half

LOSS = {"reconstruction": 0.9, "lower": 0.9, "sync": 0.03, "adversarial": 0.07}
SIZES = {  # width and depth of generator and expert, width of the discriminator
    False: ((1.0, 1.0), (1.0, 1.0), 1.0),
    True: ((0.25, 1.0), (0.5, 0.5), 0.25),
}


class PlainTraining(GeneratorTraining):
    """The same training in PyTorch's default memory layout."""

    def __init__(self, *networks, **options) -> None:
        super().__init__(*networks, **options)
        self.to(memory_format=torch.contiguous_format)
        expert = self.terms["sync"].expert.network
        expert.see = lambda faces: lower_half(faces).flatten(1, 2).contiguous()


class Step:
    """One form of the training step; called with a batch, it returns the generator's loss."""

    def __init__(
        self,
        training: type[GeneratorTraining],
        small: bool,
        bfloat16: bool,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(0)
        generator, expert, discriminator = SIZES[small]
        self.module = training(
            Wav2Lip(96, *generator),
            LOSS,
            terms={
                "reconstruction": terms.Reconstruction(),
                "lower": terms.LowerReconstruction(),
                "sync": terms.Sync(SyncNet(96, *expert), threshold=None),
                "adversarial": terms.Adversarial(),
            },
            discriminator=QualityDiscriminator(96, discriminator),
            optimizer=torch.optim.AdamW,
            schedule=partial(warmup_cosine, warmup=0, final=1.0),
        ).to(device)
        networks = (self.module.generator, self.module.discriminator)
        self.optimizers = [torch.optim.AdamW(n.parameters()) for n in networks]
        self.bfloat16, self.device = bfloat16, device

    def __call__(self, given: training_step.Step) -> float:
        module = self.module
        with self._autocast():
            fake = module(given.sound, given.target, given.reference)
            loss, _ = module.opponents[0].discriminator_loss(replace(given, fake=fake.detach()))
        self._descend(1, loss)
        module.discriminator.requires_grad_(False)
        with self._autocast():
            values = module.term_values(replace(given, fake=fake), module.loss_weights)
            loss = losses.weighted_sum(values, module.loss_weights)
        self._descend(0, loss)
        module.discriminator.requires_grad_(True)
        return loss.item()

    def _autocast(self):
        return torch.autocast(self.device, torch.bfloat16) if self.bfloat16 else nullcontext()

    def _descend(self, which: int, loss: Tensor) -> None:
        self.optimizers[which].zero_grad()
        loss.backward()
        self.optimizers[which].step()


def noise(windows: int) -> training_step.Step:
    """Random windows of five frames, as input for the step."""
    torch.manual_seed(0)
    target, reference = (torch.rand(windows, frames, 3, 96, 96) for frames in (5, 1))
    sound, spans = torch.randn(windows, 5, 1, 80, 16), {"sync": torch.randn(windows, 1, 80, 16)}
    return training_step.Step(0, target, reference, target, sound, spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="use the networks of size=small")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    fast = resolve_precision("auto", on_gpu=False) == "bf16-mixed"
    forms = {
        "plain float32": Step(PlainTraining, options.small, False),
        "channels-last float32": Step(GeneratorTraining, options.small, False),
        "channels-last bfloat16": Step(GeneratorTraining, options.small, True),
    }
    if not fast:
        del forms["channels-last bfloat16"]
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    batch = noise(4)
    first = {name: step(batch) for name, step in forms.items()}  # also warms up
    for _ in range(options.runs):
        for name, step in forms.items():
            start = time.perf_counter()
            step(batch)
            seconds[name].append(time.perf_counter() - start)

    size = "small" if options.small else "published"
    print(f"{size} sizes, batch 4 x 5, {options.threads} threads, median of {options.runs} steps")
    print(f"{'form':24} {'s/step':>8} {'speed-up':>9} {'first loss':>11}")
    plain = statistics.median(seconds["plain float32"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:24} {median:8.3f} {plain / median:9.2f} {first[name]:11.5f}")


if __name__ == "__main__":
    main()
