"""GPU code paths without a GPU: devices, host synchronisation, and half precision."""

import os
from pathlib import Path

import forked
import pytest
import torch
from test_expert_training import expert_data, expert_training
from test_lipgan import lipgan_data, lipgan_module
from test_lips_code_training import code_module
from test_modules import generator_data, generator_module
from tiny import trainer

from lipsync.models import SyncNet, SyncNetV2

SCRIPT = Path(__file__).with_name("fake_gpu.py")
MODELS = {
    "wav2lip": (generator_module, generator_data),
    "lipgan": (lipgan_module, lipgan_data),
    "lipscode": (code_module, generator_data),
    "syncnet": (lambda: expert_training(SyncNet(96, width=0.1, depth=0)), expert_data),
    "judge": (
        lambda: expert_training(SyncNetV2(96, width=0.1, framing="box", unit=True)),
        expert_data,
    ),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_training_step_mixes_no_devices_and_waits_for_no_value(model):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = forked.run(SCRIPT, model, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"walked {model}\n"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_step_in_half_precision_is_near_that_in_full(prepared, tmp_path, model, monkeypatch):
    """On a CPU, with the autocast and memory layout of a GPU."""
    make_module, make_data = MODELS[model]

    def losses_of(dtype: torch.dtype | None) -> dict[str, float]:
        torch.manual_seed(0)
        module = make_module()
        if dtype is not None:
            step = module.training_step

            def in_half(*given):
                with torch.autocast("cpu", dtype):
                    step(*given)

            module.training_step = in_half
        run = trainer(tmp_path, limit_val_batches=0, limit_train_batches=1)
        run.fit(module, make_data(prepared))
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        return {k: float(v) for k, v in run.callback_metrics.items() if k.startswith("train/")}

    full = losses_of(None)
    half = losses_of(torch.float16)
    assert half.keys() == full.keys()
    for name, value in full.items():
        assert half[name] == pytest.approx(value, rel=0.05, abs=0.05), name
