"""Accumulation, clipping and non-finite losses: the optimiser steps of all training."""

from contextlib import nullcontext

import pytest
import torch
from pytorch_lightning.plugins import MixedPrecision
from test_modules import generator_data, generator_module, small_expert
from tiny import state, trainer
from torch import nn

from lipsync.errors import TrainingError
from lipsync.training import GeneratorTraining
from lipsync.training.precision import SharedScaler


def without_norms(network: nn.Module) -> nn.Module:
    """The network with fixed norm statistics, so that batches can be split anywhere."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train = lambda mode=True, module=module: module
            module.eval()
            module.training = False
    return network


def gradients_of(root, tmp_path, batch_size: int, batches: int, **options) -> list[torch.Tensor]:
    """The gradients of the generator when its optimiser first steps."""
    seen: list[torch.Tensor] = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            closure()  # Lightning clips here
            parameters = [p for group in self.param_groups for p in group["params"]]
            seen.append(torch.cat([p.grad.flatten().clone() for p in parameters]))

    module = generator_module(
        optimizer=lambda parameters: Spy(parameters, lr=1e-3),
        discriminator=None,
        expert=small_expert(),
        **options,
    )
    without_norms(module.generator)
    data = generator_data(root)
    data.batch_size, data.batches_per_epoch = batch_size, batches
    trainer(tmp_path, limit_val_batches=0, limit_train_batches=batches).fit(module, data)
    return seen


def test_accumulated_batches_are_one_large_batch(prepared, tmp_path):
    (large,) = gradients_of(prepared, tmp_path, batch_size=4, batches=1)
    (small,) = gradients_of(prepared, tmp_path, batch_size=2, batches=2, accumulate=2)
    assert (large - small).abs().max() < 1e-4 * large.abs().max()


def test_the_gradient_is_clipped(prepared, tmp_path):
    (free,) = gradients_of(prepared, tmp_path, batch_size=2, batches=1)
    limit = float(free.norm()) / 10
    (clipped,) = gradients_of(prepared, tmp_path, batch_size=2, batches=1, clip=limit)
    assert float(clipped.norm()) == pytest.approx(limit, rel=1e-3)
    torch.testing.assert_close(clipped, free / 10, rtol=1e-3, atol=1e-7)


def test_the_scale_of_float16_does_not_change_under_accumulated_gradients(prepared, tmp_path):
    """The generator's first gradient is of the same scale as its second, and both are unscaled."""
    seen: dict[str, list] = {"generator": [], "discriminator": []}

    def spy(name):
        class Spy(torch.optim.SGD):
            def step(self, closure=None):
                parameters = [p for group in self.param_groups for p in group["params"]]
                seen[name].append(torch.cat([p.grad.flatten().clone() for p in parameters]))

        return lambda parameters: Spy(parameters, lr=1e-3)

    def train(**options):
        for gradients in seen.values():
            gradients.clear()
        module = generator_module(
            optimizer=spy("generator"), discriminator_optimizer=spy("discriminator"), accumulate=2
        )
        without_norms(module.generator)
        run = trainer(tmp_path, limit_val_batches=0, max_epochs=2, **options)
        run.fit(module, generator_data(prepared))
        assert [len(gradients) for gradients in seen.values()] == [2, 2]
        return [gradient for gradients in seen.values() for gradient in gradients]

    scaler = SharedScaler("cpu", init_scale=64.0, growth_interval=1)  # doubles after every step
    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    plugin.autocast_context_manager = nullcontext  # so that only the loss scale is as in float16
    for scaled, plain in zip(train(plugins=[plugin]), train(), strict=True):
        assert (scaled - plain).norm() < 1e-3 * plain.norm()
    assert scaler.get_scale() == 64 * 4


def test_a_loss_that_is_not_finite_stops_with_the_clips_and_the_weights_of_before(
    prepared, tmp_path
):
    class Poisoned(GeneratorTraining):
        def prepare(self, batch):
            step = super().prepare(batch)
            if self.batches_done == 1:
                step.target[0, 0, 0, 50, 50] = float("nan")
                self.poisoned = list(batch["key"])
                self.before = state(self.generator)
            return step

    module = generator_module(discriminator=None)
    module.__class__ = Poisoned
    with pytest.raises(TrainingError, match="the loss is nan; its clips") as caught:
        trainer(tmp_path).fit(module, generator_data(prepared))
    assert all(key in str(caught.value) for key in module.poisoned)
    for name, value in module.generator.named_parameters():
        assert torch.equal(value, module.before[name]), name


def test_weights_that_are_not_finite_are_not_saved(prepared, tmp_path):
    module = generator_module(discriminator=None)
    run = trainer(tmp_path)
    run.fit(module, generator_data(prepared))
    run.save_checkpoint(tmp_path / "good.ckpt")
    weights = next(module.generator.parameters())
    with torch.no_grad():
        weights[(0,) * weights.ndim] = float("inf")
    with pytest.raises(TrainingError, match="is not finite and was not saved"):
        run.save_checkpoint(tmp_path / "bad.ckpt")
    assert not (tmp_path / "bad.ckpt").exists()
