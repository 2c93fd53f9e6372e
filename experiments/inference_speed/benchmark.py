"""How many faces a second does a generator make, and what do the faster forms cost?

    python experiments/inference_speed/benchmark.py                     # random weights
    python experiments/inference_speed/benchmark.py --model last.ckpt   # real ones, real PSNR

Prints one row a form: frames a second (median of the runs; forms take turns, so that a busy machine
slows all alike), speed-up over the plain float32 module, milliseconds of a core that a frame takes
(the least of the runs), largest difference, PSNR against the plain module.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lipsync.checkpoints import load_model
from lipsync.models import FaceGenerator, Wav2Lip
from lipsync.models.inference import fastest_dtype, optimise


def onnx_runtime(generator: nn.Module, threads: int) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The generator in ONNX Runtime; None where it or ``onnx`` is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError:
        return None
    from lipsync.export import export_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        export_onnx(generator, path)
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def run(mel: Tensor, faces: Tensor) -> Tensor:
        feed = {"mel": mel.numpy(), "faces": faces.numpy()}
        return torch.from_numpy(session.run(None, feed)[0])

    return run


def example(generator: FaceGenerator, batch: int) -> tuple[Tensor, Tensor]:
    """Sound and smooth pictures, the target's lower half zero."""
    torch.manual_seed(0)
    shape, (channels, size, _) = generator.audio_shape, generator.faces_shape
    coarse = (max(1, shape[-2] // 8), max(1, shape[-1] // 4))
    sound = torch.randn(batch, *shape[:-2], *coarse) * 2
    sound = nn.functional.interpolate(sound, size=shape[-2:], mode="bicubic")
    faces = torch.rand(batch, channels, 12, 12)
    faces = nn.functional.interpolate(faces, size=size, mode="bicubic")
    faces[:, :3, size // 2 :] = 0
    return sound.clamp(-4, 4), faces.clamp(0, 1)


def random_generator(size: int, width: float) -> FaceGenerator:
    """Random weights, with the norm statistics of the example."""
    generator = Wav2Lip(size, width)
    with torch.no_grad():
        generator.train()(*example(generator, 8))
    return generator.eval()


def psnr(found: Tensor, expected: Tensor) -> float:
    error = float((found - expected).square().mean())
    return float("inf") if error == 0 else -10 * np.log10(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="path or name of a generator (default: random weights)")
    parser.add_argument("--size", type=int, default=96, help="image size of the random generator")
    parser.add_argument("--width", type=float, default=1.0, help="width of the random generator")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--inputs", help="a torch file {'mel', 'faces'} to use instead of noise")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    if options.model:
        generator = load_model(options.model)
    else:
        generator = random_generator(options.size, options.width)
    mel, faces = example(generator, options.batch)
    if options.inputs:
        given = torch.load(options.inputs, weights_only=True)
        mel, faces = given["mel"][: options.batch], given["faces"][: options.batch]

    forms: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "plain float32": torch.inference_mode()(generator),
        "optimised float32": optimise(generator, torch.float32),
        "optimised bfloat16": optimise(generator, torch.bfloat16),
    }
    if runtime := onnx_runtime(generator, options.threads):
        forms["ONNX Runtime float32"] = runtime

    outputs = {name: form(mel, faces) for name, form in forms.items()}  # also warms them up
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    worked: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(options.runs):
        for name, form in forms.items():
            start, work = time.perf_counter(), time.process_time()
            form(mel, faces)
            seconds[name].append(time.perf_counter() - start)
            worked[name].append(1000 * (time.process_time() - work) / len(mel))

    millions = sum(p.numel() for p in generator.parameters()) / 1e6
    print(f"{type(generator).__name__} {generator.config}, {millions:.1f} M parameters")
    print(f"batch {len(mel)}, {options.threads} threads, default here: {fastest_dtype()}")
    print(
        f"{'form':22} {'frames/s':>9} {'speed-up':>9} {'core ms':>8} {'max diff':>9} {'PSNR dB':>8}"
    )
    plain = statistics.median(seconds["plain float32"])
    for name, times in seconds.items():
        median = statistics.median(times)
        difference = float((outputs[name] - outputs["plain float32"]).abs().max())
        quality = psnr(outputs[name], outputs["plain float32"])
        print(
            f"{name:22} {len(mel) / median:9.1f} {plain / median:9.2f}"
            f" {min(worked[name]):9.2f} {difference:9.2g} {quality:9.1f}"
        )


if __name__ == "__main__":
    main()
