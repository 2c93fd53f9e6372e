"""Frames per second from crop to crop of lipscode-open, as it is and grown to larger pictures.

    python -m experiments.growth.speed

Grown networks are not trained, which does not affect their speed. Networks are optimised as in a
dub. Sizes alternate in every round; the median and the best of the rounds are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import torch

from lipsync.checkpoints import load_model
from lipsync.models.inference import fastest_dtype, optimise

SIZES = {
    "128": (128, []),
    "192": (192, [128]),
    "256, in two steps": (256, [128, 192]),
    "256, in one step": (256, [128]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lipscode-open")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    given = load_model(args.model)
    forms, inputs = {}, {}
    for name, (size, within) in SIZES.items():
        network = type(given)(**given.config | {"image_size": size, "grown_from": within}).eval()
        network.load_state_dict(given.state_dict(), strict=False)
        forms[name] = optimise(network, fastest_dtype())
        sound = torch.randn(args.batch, *network.audio_shape)
        inputs[name] = sound, torch.rand(args.batch, *network.faces_shape)
        forms[name](*inputs[name])
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    core: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(args.rounds):
        for name, form in forms.items():
            start, work = time.perf_counter(), time.process_time()
            form(*inputs[name])
            seconds[name].append(time.perf_counter() - start)
            core[name].append(time.process_time() - work)
    print(f"batches of {args.batch}, {args.threads} threads, {fastest_dtype()}, load "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")  # fmt: skip
    print("| px | frames/s, median | frames/s, best | CPU ms per frame, best |")
    print("| --- | --- | --- | --- |")
    for name, times in seconds.items():
        median, best = (args.batch / each for each in (statistics.median(times), min(times)))
        print(f"| {name} | {median:.0f} | {best:.0f} | {1e3 * min(core[name]) / args.batch:.1f} |")


if __name__ == "__main__":
    main()
