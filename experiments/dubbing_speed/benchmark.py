"""How fast is a dub, where does the time go, and how much memory does it take at any length?

    python experiments/dubbing_speed/benchmark.py                     # speed, beside a plain form
    python experiments/dubbing_speed/benchmark.py --minutes 0.5 5 30  # peak memory by length
    python experiments/dubbing_speed/benchmark.py --model wav2lip-gan-grid --face FACE --audio WAV

The video shows a generated head at 1280 x 720 and 25 fps for 20 s; the model is Wav2Lip at its
published size with random weights. The plain form computes in float32, detects the face in every
frame at full size, and runs one stage after the other. Both write the same H.264. Forms alternate,
so that other load on the machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lipsync.dubbing import dub, pipeline
from lipsync.dubbing.stages import Stages
from lipsync.faces.detect import CenterFace
from lipsync.generators.quantised import fastest_copy
from lipsync.media import VideoWriter, write_audio
from lipsync.models import Wav2Lip
from lipsync.sample.corpus import make_clip

SIZE = 1280, 720
HEAD = 480  # side of the generated head, in pixels


def make_inputs(folder: Path, seconds: float, size: tuple[int, int] = SIZE) -> tuple[Path, Path]:
    """A talking head in front of a still background, and noise modulated like speech."""
    face, audio = folder / f"face{seconds:g}.mp4", folder / f"sound{seconds:g}.wav"
    rng = np.random.default_rng(0)
    if not face.exists():
        head = HEAD * size[1] // SIZE[1]
        clip = make_clip(seed=0, speaker=0, clip=0, seconds=min(seconds, 10.0), size=head)
        heads = list(clip.frames)
        wall = rng.integers(60, 190, (18, 32, 3), dtype=np.uint8)
        import cv2

        wall = cv2.resize(wall, size, interpolation=cv2.INTER_CUBIC)
        left, top = (size[0] - head) // 2, (size[1] - head) // 2
        with VideoWriter(face, 25, size, crf=20) as video:
            for k in range(round(seconds * 25)):
                frame = wall.copy()
                frame[top : top + head, left : left + head] = heads[k % len(heads)]
                video.write(frame)
    if not audio.exists():
        n = round(seconds * 16000)
        swell = np.abs(np.sin(2 * np.pi * 2 * np.arange(n) / 16000)).astype(np.float32)
        write_audio(audio, 0.2 * swell * rng.standard_normal(n).clip(-3, 3).astype(np.float32) / 3)
    return face, audio


def published() -> nn.Module:
    """Wav2Lip at its published size, with random weights that keep pixels in range."""
    torch.manual_seed(0)
    network = Wav2Lip()
    with torch.no_grad():
        for _ in range(2):
            network.train()(torch.randn(4, 1, 80, 16), torch.rand(4, 6, 96, 96))
    return network.eval()


def run(form: str, network: nn.Module, face: Path, audio: Path, output: Path) -> dict:
    """Dub once; returns frames per second, end to end, and the seconds of each stage."""
    if form == "plain":
        overlapping = pipeline.Stages
        pipeline.Stages = lambda: Stages(overlap=False)
        try:
            result = dub(
                face, audio, output, model=network, detector=CenterFace(side=max(SIZE)), stride=1
            )
        finally:
            pipeline.Stages = overlapping
    else:
        result = dub(
            face, audio, output, model=fastest_copy(network), detector=CenterFace(threads=1)
        )
    return {
        "fps": result.frames / result.wall_seconds,
        "ms": {name: 1000 * s / result.frames for name, s in result.stage_seconds.items()},
    }


def speed(options: argparse.Namespace, folder: Path) -> None:
    if options.face:
        face, audio = Path(options.face), Path(options.audio)
    else:
        face, audio = make_inputs(folder, options.seconds)
    if options.model:
        from lipsync.checkpoints import load_model

        network = load_model(options.model)
    else:
        network = published()
    runs: dict[str, list[dict]] = {"streaming": [], "plain": []}
    for _ in range(options.runs):
        for form, found in runs.items():
            found.append(run(form, network, face, audio, folder / "out.mp4"))
            print(f"{form:10} {found[-1]['fps']:6.1f} frames/s", flush=True)
    fps = {form: statistics.median(r["fps"] for r in found) for form, found in runs.items()}
    ms = {
        form: {s: statistics.median(r["ms"][s] for r in found) for s in found[0]["ms"]}
        for form, found in runs.items()
    }
    print(
        f"\nstreaming {fps['streaming']:.1f}, plain {fps['plain']:.1f} frames/s: "
        f"{fps['streaming'] / fps['plain']:.1f} times; {torch.get_num_threads()} threads"
    )
    print(f"\n| stage | {' | '.join(f'{form}, ms per frame' for form in ms)} |")
    print("| --- | ---: | ---: |")
    for stage in ms["plain"]:
        cells = [f"{ms[form][stage]:.1f}" if stage in ms[form] else "-" for form in ms]
        print(f"| {stage} | {' | '.join(cells)} |")
    report = {"fps": fps, "ms": ms, "threads": torch.get_num_threads()}
    (options.output / "speed.json").write_text(json.dumps(report, indent=1) + "\n")
    plot(ms, fps, options.output / "stages.png")


def plot(ms: dict, fps: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.2))
    for axis, (form, stages) in zip(axes, ms.items(), strict=True):
        names = list(stages)
        axis.barh(names[::-1], [stages[name] for name in names[::-1]], color="#4477aa")
        axis.set(title=f"{form}: {fps[form]:.1f} frames/s", xlabel="ms at work for a frame")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def memory(options: argparse.Namespace, folder: Path) -> None:
    """Peak resident memory of whole dubs, each in its own process."""
    rows = []
    for minutes in options.minutes:
        inputs = make_inputs(folder, 60 * minutes, options.size)
        command = [sys.executable, __file__, "--one", *map(str, inputs), str(folder / "long.mp4")]
        if options.model:
            command += ["--model", options.model]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({"minutes": minutes, **json.loads(done.stdout.splitlines()[-1])})
        said = "peak {peak_mb:.0f} MB, {fps:.1f} frames/s, {cpu_ms:.0f} ms of one core a frame"
        print(f"{minutes:g} min: {said.format(**rows[-1])}", flush=True)
    (options.output / "memory.json").write_text(json.dumps(rows, indent=1) + "\n")


def one(face: str, audio: str, output: str, model: str | None) -> None:
    """Dub in this process, and print its peak memory as a line of JSON."""
    network = model if model else fastest_copy(published())
    begun = time.process_time()
    result = dub(face, audio, output, model=network)
    found = {"fps": result.frames / result.wall_seconds}
    found["cpu_ms"] = 1000 * (time.process_time() - begun) / result.frames
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def _size(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--face", help="a video instead of the generated one; needs --audio")
    parser.add_argument("--audio")
    parser.add_argument("--model", help="name or path of a generator")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, nargs="+", help="measure memory at these lengths")
    parser.add_argument("--size", type=_size, default=SIZE, help="frame size, e.g. 3840x2160")
    parser.add_argument("--folder", type=Path, help="where to keep the inputs (default: not kept)")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one, options.model)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        (memory if options.minutes else speed)(options, folder)


if __name__ == "__main__":
    main()
