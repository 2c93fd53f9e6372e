"""How fast is a training step of generator + discriminator + expert, and what makes it so?

    python experiments/training_speed/benchmark.py            # published sizes
    python experiments/training_speed/benchmark.py --small    # those of size=small

The step is that of :class:`lipsync.training.GeneratorTraining`, 4 windows of 5 frames. Plain is
float32 in PyTorch's own memory layout; ours is channels-last, and bfloat16 autocast where the
processor has it. The forms take turns, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import nullcontext

import torch
from torch import Tensor

from lipsync import losses
from lipsync.models import QualityDiscriminator, SyncNet, Wav2Lip
from lipsync.training import GeneratorTraining
from lipsync.training.batches import expert_faces
from lipsync.training.optim import constant
from lipsync.training.settings import resolve_precision
from lipsync.windows import lower_half

LOSS = {"reconstruction": 0.9, "lower": 0.9, "sync": 0.03, "adversarial": 0.07}
SIZES = {  # width and depth of generator and expert, width of the discriminator
    False: ((1.0, 1.0), (1.0, 1.0), 1.0),
    True: ((0.25, 1.0), (0.5, 0.5), 0.25),
}


class PlainTraining(GeneratorTraining):
    """The same training, all of it in PyTorch's own memory layout."""

    def __init__(self, *networks, **options) -> None:
        super().__init__(*networks, **options)
        self.to(memory_format=torch.contiguous_format)

    def sync_loss(self, faces: Tensor, sync_mel: Tensor) -> Tensor:
        audio, face = self.expert(sync_mel, expert_faces(lower_half(faces)))
        return losses.cosine_bce(audio, face, torch.ones(len(audio), device=audio.device))


class Step:
    """One form of the step; call it with a batch to take one. Returns the generator's loss."""

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
            SyncNet(96, *expert),
            discriminator=QualityDiscriminator(96, discriminator),
            optimizer=torch.optim.AdamW,
            schedule=constant,
            loss=LOSS,
            sync_threshold=None,
        ).to(device)
        self.module.expert.to(device)
        if training is GeneratorTraining:  # what Lightning calls before the first step
            self.module.setup("fit")
        networks = (self.module.generator, self.module.discriminator)
        self.optimizers = [torch.optim.AdamW(n.parameters()) for n in networks]
        self.bfloat16, self.device = bfloat16, device

    def __call__(self, batch: dict[str, Tensor]) -> float:
        module = self.module
        with self._autocast():
            fake = module(batch["mel"], batch["target"], batch["reference"])
            loss, _ = module.discriminator_loss(batch, fake.detach())
        self._descend(1, loss)
        module.discriminator.requires_grad_(False)
        with self._autocast():
            loss = losses.weighted_sum(module.terms(batch, fake), module.loss_weights)
        self._descend(0, loss)
        module.discriminator.requires_grad_(True)
        return loss.item()

    def _autocast(self):
        return torch.autocast(self.device, torch.bfloat16) if self.bfloat16 else nullcontext()

    def _descend(self, which: int, loss: Tensor) -> None:
        self.optimizers[which].zero_grad()
        loss.backward()
        self.optimizers[which].step()


def noise(windows: int) -> dict[str, Tensor]:
    """A batch as the step takes it."""
    torch.manual_seed(0)
    return {
        "target": torch.rand(windows, 5, 3, 96, 96),
        "reference": torch.rand(windows, 5, 3, 96, 96),
        "mel": torch.randn(windows, 5, 1, 80, 16),
        "sync_mel": torch.randn(windows, 1, 80, 16),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="the networks of size=small")
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
    first = {name: step(batch) for name, step in forms.items()}  # also warms them up
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
