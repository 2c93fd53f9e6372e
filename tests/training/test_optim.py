"""Weight decay, and a learnt temperature."""

import math
from functools import partial

import pytest
import torch
from test_lipgan import lipgan_module
from test_modules import generator_module, small_expert
from tiny import CONSTANT
from torch import nn

from lipsync.training import ExpertTraining, terms

DECAYING = partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5)


def expert_module(**options) -> ExpertTraining:
    loss = {"contrastive": terms.ClipInfoNCE(weight=1.0)}
    return ExpertTraining(small_expert(), loss, schedule=CONSTANT, **options)


@pytest.mark.parametrize("make", [expert_module, generator_module, lipgan_module])
def test_norms_biases_and_temperatures_do_not_decay(make):
    """With a gradient of 0, a step changes weights only by weight decay."""
    module = make(optimizer=DECAYING)
    for parameter in module.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in module.make_optimizers():
        optimizer.step()
    decayed = {name for name, value in module.named_parameters() if not value.eq(1).all()}
    spared = {name for name, value in module.named_parameters() if value.eq(1).all()}
    kinds = {type(module.get_submodule(name.rpartition(".")[0])) for name in decayed}
    assert kinds
    assert not any(issubclass(kind, nn.modules.batchnorm._NormBase) for kind in kinds)
    assert not any(name.endswith("bias") or name.endswith("log_temperature") for name in decayed)
    assert all(value.ndim < 2 for name, value in module.named_parameters() if name in spared)
    assert spared


def test_a_temperature_below_its_bound_moves_back():
    module = expert_module(optimizer=partial(torch.optim.SGD, lr=0.1))
    term = module.terms["contrastive"]
    with torch.no_grad():
        term.log_temperature.fill_(math.log(1e-4))
    torch.manual_seed(0)
    audio, face = (nn.functional.normalize(torch.randn(2, 12, 16), dim=-1) for _ in range(2))
    start = torch.arange(0, 120, 10).expand(2, 12)  # no matches: warmer is better
    optimizer = torch.optim.SGD([term.log_temperature], lr=0.1)
    seen = []
    for _ in range(10):
        optimizer.zero_grad()
        term(audio, face, start).backward()
        seen.append(float(term.log_temperature.detach().exp()))
        optimizer.step()
    assert seen[0] == pytest.approx(0.01)
    assert seen[-1] > 0.02
