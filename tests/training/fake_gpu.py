"""A script run by ``test_cuda_path``: MODEL. A training step and an evaluation on a fake GPU.

PyTorch's fake tensors have shapes, types and a device, but no values. Operations that mix devices
or need a value on the host fail on them, which a CPU would not reveal. They need a custom backend
here, because a PyTorch build without CUDA has none.
"""

import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import torch
from test_lipgan import lipgan_module
from test_lips_code_training import code_module
from test_modules import generator_module
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from lipsync.features import Mel, SyncNetMFCC
from lipsync.models import SyncNet, SyncNetV2
from lipsync.training import ExpertTraining, GeneratorTraining, measures, terms
from lipsync.training.augment import Augment, PictureAugment
from lipsync.training.frozen import Frozen

_setup_privateuseone_for_python_backend("fakegpu")
type(torch.fakegpu).get_amp_supported_dtype = staticmethod(lambda: [torch.float16])
GPU, MODE = torch.device("fakegpu", 0), FakeTensorMode()
CLIPS, WINDOWS = 2, 3


def on_gpu(tensor: torch.Tensor) -> torch.Tensor:
    return FakeTensor(MODE, tensor.to("meta"), GPU)


def move(module: nn.Module) -> None:
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                learnt = value.requires_grad
                part._parameters[name] = nn.Parameter(on_gpu(value.data), learnt)
        for name, value in part._buffers.items():
            if value is not None:
                part._buffers[name] = on_gpu(value)
        if isinstance(part, Frozen):
            move(part.network)


class Random:
    """Replaces the random generator of the fake GPU, which PyTorch does not provide."""

    device = GPU


@contextmanager
def fake_randomness():
    originals = {name: getattr(torch, name) for name in ("rand", "randn")}

    def without_generator(original, *shape, generator=None, **options):
        return original(*shape, **options)

    for name, original in originals.items():
        setattr(torch, name, partial(without_generator, original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(torch, name, original)


def expert(network: nn.Module) -> ExpertTraining:
    return ExpertTraining(
        network,
        {"bce": 0.5, "contrastive": 1.0},
        terms={"bce": terms.PairsBCE(), "contrastive": terms.ClipInfoNCE()},
        optimizer=torch.optim.AdamW,
        schedule=None,
        augment=Augment(),
    )


MODULES = {
    "wav2lip": lambda: generator_module(
        augment=Augment(),
        judge=SyncNetV2(96, width=0.1, framing="box", unit=True),
        metrics={
            "l1": measures.L1(),
            "sync": measures.TermValue("sync"),
            "judge": measures.JudgeDistance(),
            "sharpness": measures.Sharpness(),
        },
    ),  # except MS-SSIM: torchmetrics makes a tensor that the fake backend cannot
    "lipgan": lambda: lipgan_module(augment=Augment()),
    "lipscode": lambda: code_module(augment=Augment(), view=PictureAugment(flip=0.0)),
    "syncnet": lambda: expert(SyncNet(96, width=0.1, depth=0, view="mean_subtracted_grey")),
    "judge": lambda: expert(SyncNetV2(96, width=0.1, framing="box", unit=True)),
}
EVERYTHING = {  # that augmentation offers
    "mel": {"warp": 0.1, "mask": 8, "ripple": 3.0, "pitch": 0.5},
    "syncnet_mfcc": {"offset": 2.0, "noise": 0.5},
}


def batch_of(module: nn.Module, windows: int, evaluation: bool) -> dict:
    """A batch as from a loader, on the device."""
    inputs = module.inputs(evaluation=evaluation)
    rows = inputs.image_size // (2 if inputs.lower_half else 1)
    shape = (CLIPS, windows, inputs.window, rows, inputs.image_size, 3)
    batch = {"faces": torch.zeros(shape, dtype=torch.uint8)}
    if inputs.references:
        batch["reference"] = batch["faces"][:, :, : inputs.references]
    if inputs.sound is not None:
        heard = torch.zeros(*shape[:3], 1, inputs.sound.bands, inputs.sound.window)
        batch |= dict.fromkeys(("sound", "shifted_sound", "swapped_sound"), heard)
    for name, span in inputs.spans.items():
        of = (span.feature.bands, span.feature.window)
        batch[f"sound_{name}"] = torch.zeros(*shape[:2], 1, *of)
    batch["start"] = torch.zeros(shape[:2], dtype=torch.int64)
    return {k: on_gpu(v) for k, v in batch.items()} | {"key": ["a/1"] * CLIPS}


def step(module: nn.Module) -> None:
    """A training step with everything that Lightning does around it, except logging."""
    optimizers = [torch.optim.AdamW(groups.parameters()) for groups in networks(module)]
    module.augment_rng = Random
    module._rng = lambda purpose: Random  # of a lips code
    module.optimizers = lambda: optimizers if len(optimizers) > 1 else optimizers[0]
    module.toggled_optimizer = lambda optimizer: nullcontext()
    module.manual_backward = lambda loss: loss.backward()
    module.step_schedules = lambda: None
    module.log_training = lambda values, size: [value.detach() for value in values.values()]
    module.training_step(batch_of(module, WINDOWS, evaluation=False), 0)
    for network in networks(module):
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert gradients
        assert all(gradient.device == GPU for gradient in gradients)


def networks(module: nn.Module) -> list[nn.Module]:
    if isinstance(module, ExpertTraining):
        return [module.expert]
    return [part for part in (module.generator, module.discriminator) if part is not None]


def evaluate(module: nn.Module) -> None:
    module.eval()
    if isinstance(module, ExpertTraining):
        frames, windows = 12, 12 - module.window + 1
        heard = torch.zeros(windows, 1, module.feature.bands, module.feature.window)
        rows = 48 if module.expert.lower_half else 96
        faces = torch.zeros(frames, rows, 96, 3, dtype=torch.uint8)
        module.embed_clip(on_gpu(faces), on_gpu(heard))
        return
    steps = module.paint_systems(batch_of(module, WINDOWS, evaluation=True))
    for measure in module.metrics.values():
        if isinstance(measure, measures.PerSystem) and measure.span is not None:
            for painted in steps.values():
                assert measure.value(painted).device == GPU


def main(model: str) -> None:
    module = MODULES[model]()
    if module.augment is not None:
        module.augment = replace(module.augment, sound=EVERYTHING)
        module.augment.pictures = replace(module.augment.pictures, gamma=0.5, warp=0.05)
    module.augment.check([Mel(), SyncNetMFCC()])
    move(module)
    type(module).device = GPU
    with MODE, fake_randomness():
        step(module)
        with torch.no_grad():
            evaluate(module)
    assert isinstance(module, (GeneratorTraining, ExpertTraining))
    print("walked", model)


if __name__ == "__main__":
    main(*sys.argv[1:])
