"""How fast is a generator, and what do the faster forms cost?

    python experiments/inference_speed/benchmark.py                     # random weights
    python experiments/inference_speed/benchmark.py --model last.ckpt   # real ones, real PSNR
    ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI python ...                      # as on a CPU without AMX

Prints one row per form: frames per second (median of the runs; forms alternate, so that other load
on the machine slows all of them alike), speed-up over the plain float32 module, CPU milliseconds
per frame (minimum of the runs), largest difference from the plain module, and PSNR against it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lipsync.checkpoints import load_model
from lipsync.models import FaceGenerator, Wav2Lip
from lipsync.models.inference import fastest_dtype, optimise

Form = Callable[[Tensor, Tensor], Tensor]


def onnx_runtime(path: Path, threads: int) -> Form:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(mel: Tensor, faces: Tensor) -> Tensor:
        feed = {"mel": mel.numpy(), "faces": faces.numpy()}
        return torch.from_numpy(session.run(None, feed)[0])

    return run


def openvino(path: Path, threads: int, mel: Tensor, faces: Tensor) -> Form:
    """Fixed to one batch size; float32 except for quantised layers."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({"mel": list(mel.shape), "faces": list(faces.shape)})
    wanted = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", wanted).create_infer_request()

    def run(mel: Tensor, faces: Tensor) -> Tensor:
        feed = {"mel": mel.numpy(), "faces": faces.numpy()}
        return torch.from_numpy(request.infer(feed)[0].copy())

    return run


def quantised(path: Path, mel: Tensor, faces: Tensor) -> Path:
    """Quantise convolutions to int8, calibrated on these inputs, except for the first of the face
    encoder and the last two, which produce the picture."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready, made = path.with_suffix(".ready.onnx"), path.with_suffix(".int8.onnx")
    quant_pre_process(path, ready, skip_symbolic_shape=True)
    kinds = ["Conv", "ConvTranspose"]
    nodes = [node for node in onnx.load(ready).graph.node if node.op_type in kinds]
    exact = [node.name for node in nodes if "faces" in node.input or node in nodes[-2:]]

    class Inputs(quantization.CalibrationDataReader):
        feeds = iter(
            {"mel": mel[k : k + 4].numpy(), "faces": faces[k : k + 4].numpy()}
            for k in range(0, len(mel) - 3, 4)
        )

        def get_next(self):
            return next(self.feeds, None)

    quantization.quantize_static(
        ready, made, Inputs(), per_channel=True, op_types_to_quantize=kinds,
        activation_type=quantization.QuantType.QUInt8, nodes_to_exclude=exact,
    )  # fmt: skip
    return made


def exported_forms(
    generator: nn.Module, threads: int, mel: Tensor, faces: Tensor, ranges: tuple[Tensor, Tensor]
) -> dict[str, Form]:
    """The generator in ONNX Runtime and OpenVINO, if installed."""
    if not (find_spec("onnx") and find_spec("onnxruntime")):
        return {}
    from lipsync.export import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        export_onnx(generator, path)
        forms = {"ONNX Runtime float32": onnx_runtime(path, threads)}
        if find_spec("openvino"):
            coarse = quantised(path, *ranges)
            forms["ONNX Runtime int8"] = onnx_runtime(coarse, threads)
            forms["OpenVINO float32"] = openvino(path, threads, mel, faces)
            forms["OpenVINO int8"] = openvino(coarse, threads, mel, faces)
    return forms


def example(generator: FaceGenerator, batch: int) -> tuple[Tensor, Tensor]:
    """Sound and smooth pictures, with the lower half of the target set to zero."""
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
    """A generator with random weights, and norm statistics from the example."""
    generator = Wav2Lip(size, width)
    with torch.no_grad():
        generator.train()(*example(generator, 8))
    return generator.eval()


def psnr(found: Tensor, expected: Tensor) -> float:
    error = float((found - expected).square().mean())
    return float("inf") if error == 0 else -10 * np.log10(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="name or path of a generator (default: random weights)")
    parser.add_argument("--size", type=int, default=96, help="image size of the random generator")
    parser.add_argument("--width", type=float, default=1.0, help="width of the random generator")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--inputs", help="torch file {'mel', 'faces'} to use instead of noise")
    parser.add_argument("--ranges", help="such a file, to calibrate int8 quantisation")
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

    ranges = example(generator, 8)
    if options.ranges:
        given = torch.load(options.ranges, weights_only=True)
        ranges = given["mel"], given["faces"]
    forms: dict[str, Form] = {
        "plain float32": torch.inference_mode()(generator),
        "optimised float32": optimise(generator, torch.float32),
        "optimised bfloat16": optimise(generator, torch.bfloat16),
    }
    forms |= exported_forms(generator, options.threads, mel, faces, ranges)

    outputs = {name: form(mel, faces) for name, form in forms.items()}  # also warms up
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
