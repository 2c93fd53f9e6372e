"""How long does a training step of voice conversion take, and conversion itself?

    python experiments/voice_conversion/benchmark.py             # the default size, two threads
    python experiments/voice_conversion/benchmark.py --width 1   # as published

No data are needed: the time does not depend on what is said.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from lipsync.media import read_audio
from lipsync.training.optim import warmup_cosine
from lipsync.voice import analyse, convert, match_voice, synthesise
from lipsync.voice.network import VoiceConverter, VoiceDiscriminators
from lipsync.voice.training import VoiceTraining

RATE = 16_000


class Step(VoiceTraining):
    """The module's own training step, without a trainer."""

    def __init__(self, width: float) -> None:
        super().__init__(
            VoiceConverter(["a", "b"], width=width),
            VoiceDiscriminators(width=width),
            optimizer=torch.optim.AdamW,
            schedule=partial(warmup_cosine, warmup=0, final=1.0),
            loss={"cycle": 1.0, "identity": 0.2, "adversarial": 1.0},
        )
        self._pair = [self.make_optimizer(x.parameters()) for x in self.children() if _trains(x)]

    def all_optimizers(self) -> list:
        return self._pair

    def toggled_optimizer(self, optimizer):
        return _Toggled(self, optimizer)

    def manual_backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def step_schedules(self) -> None: ...

    def log_training(self, values, batch_size) -> None: ...


class _Toggled:
    """Enables gradients for the parameters of one optimiser only, as Lightning does."""

    def __init__(self, module: Step, optimizer: torch.optim.Optimizer) -> None:
        own = {p for group in optimizer.param_groups for p in group["params"]}
        self.others = [p for p in module.parameters() if p not in own]

    def __enter__(self) -> None:
        for parameter in self.others:
            parameter.requires_grad_(False)

    def __exit__(self, *error) -> None:
        for parameter in self.others:
            parameter.requires_grad_(True)


def _trains(part: torch.nn.Module) -> bool:
    return hasattr(part, "config")


def speech(seconds: float, path: str | None) -> np.ndarray:
    """Speech from a file, repeated, or else a synthetic voice of pulses."""
    count = round(seconds * RATE)
    if path is not None:
        return np.resize(read_audio(path, RATE), count)
    wave = np.zeros(count, np.float32)
    wave[::100] = 0.5
    return wave + 0.001 * np.random.default_rng(0).standard_normal(count).astype(np.float32)


def seconds_of(work: Callable[[], object], runs: int) -> float:
    work()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=float, default=0.125, help="width of the networks")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="length of the speech to convert"
    )
    parser.add_argument("--speech", help="recording to convert instead of pulses")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    step = Step(options.width)
    size = sum(p.numel() for p in step.generator.parameters()) / 1e6
    print(f"width {options.width}: {size:.1f} M in both generators; {options.threads} threads")

    batch = {"a": torch.randn(4, 32, 64), "b": torch.randn(4, 32, 64), "key": [""]}
    for name, mixed in (("float32", False), ("bfloat16", True)):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            taken = seconds_of(lambda: step.training_step(batch, 0), options.runs)
        print(f"training step, 4 pairs of 0.64 s, {name:9}{taken:8.3f} s")

    wave = speech(options.seconds, options.speech)
    converter, parts = step.generator.eval(), analyse(wave)
    work = {
        "analyse": lambda: analyse(wave),
        "synthesise": lambda: synthesise(parts),
        "convert, in all": lambda: convert(wave, RATE, converter),
        "match_voice": lambda: match_voice(wave, RATE, wave),
    }
    print(f"{options.seconds:g} s of speech")
    for name, what in work.items():
        taken = seconds_of(what, options.runs)
        print(f"{name:20}{taken:8.3f} s, {options.seconds / taken:6.1f} x real time")


if __name__ == "__main__":
    main()
