"""Short runs of tiny networks, for tests of the Lightning modules."""

from functools import partial

import pytorch_lightning as pl
import torch

from lipsync.training.optim import warmup_cosine

ADAM = partial(torch.optim.Adam, lr=1e-3)
CONSTANT = partial(warmup_cosine, warmup=0, final=1.0)  # constant learning rate


def trainer(tmp_path, **options) -> pl.Trainer:
    defaults = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": tmp_path,
    }
    return pl.Trainer(**defaults | options)


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())
