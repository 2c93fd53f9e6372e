"""Training code that differs on a GPU, as far as it can be tested on a CPU."""

import pytest
import torch
from test_expert_training import expert_data, long_training
from test_lipgan import lipgan_data, lipgan_module
from test_lips_code_training import code_module
from test_modules import generator_data, generator_module
from tiny import trainer
from torch._dynamo.backends.debugging import aot_eager, eager

from lipsync.errors import TrainingError
from lipsync.models import LongSyncNet
from lipsync.training import finite
from lipsync.training.compiling import compile_network
from lipsync.training.finite import FiniteLosses


@pytest.fixture
def _copies_arrive_late(monkeypatch):
    """Values are available only after waiting, as with a copy from a GPU."""

    def copied(value):
        copy = torch.zeros(())
        return copy, lambda: copy.copy_(value)

    monkeypatch.setattr(finite, "_copy_async", copied)


class OnGPU(torch.Tensor):
    """A tensor that claims to be on a GPU."""

    device = torch.device("cuda")


@pytest.mark.usefixtures("_copies_arrive_late")
def test_a_loss_on_a_gpu_is_looked_at_one_batch_later():
    good, bad = (torch.tensor(value).as_subclass(OnGPU) for value in (1.0, float("nan")))
    losses = FiniteLosses()
    losses.check(good, 0, ["a/1"])
    losses.check(good, 1, ["a/2"])
    losses.check(bad, 1, ["a/2"])  # the second loss of this batch
    with pytest.raises(TrainingError, match="batch 1: the loss is nan; its clips: a/2; check"):
        losses.check(good, 2, ["a/3"])
    losses.check(bad, 3, ["a/4"])
    with pytest.raises(TrainingError, match="batch 3: the loss is nan; its clips: a/4"):
        losses.finish()
    losses.finish()


def test_no_loss_is_left_unchecked_when_validation_begins(prepared, tmp_path, monkeypatch):
    module = generator_module()
    monkeypatch.setattr(module.finite_losses, "check", lambda *_: None)
    seen = []
    monkeypatch.setattr(module.finite_losses, "finish", lambda: seen.append(module.batches_done))
    trainer(tmp_path).fit(module, generator_data(prepared))
    assert seen == [2]


@pytest.mark.parametrize(
    ("make", "data", "networks", "compiler"),
    [
        (generator_module, generator_data, 3, eager),
        (lambda: code_module(loss={"lower": 1.0, "code": 1.0}), generator_data, 1, eager),
        (
            lambda: long_training(LongSyncNet(width=0.25, window=9), windows=(5,)),
            lambda root: expert_data(root, windows=1),
            1,
            eager,
        ),
        pytest.param(lipgan_module, lipgan_data, 2, aot_eager, marks=pytest.mark.slow),
    ],
)
def test_compiled_networks_are_what_a_step_runs(prepared, tmp_path, make, data, networks, compiler):
    module = make()
    runs = []

    def backend_of(network):
        def backend(graph, inputs):
            compiled = compiler(graph, inputs)

            def call(*arguments):
                runs.append(network)
                return compiled(*arguments)

            return call

        return backend

    for network in module.networks():
        compile_network(network, backend=backend_of(type(network).__name__))
    before = set(module.state_dict())
    options = {"limit_train_batches": 1, "limit_val_batches": 0}
    trainer(tmp_path, **options).fit(module, data(prepared))
    assert set(module.state_dict()) == before
    names = {type(network).__name__ for network in module.networks()}
    assert len(names) == networks
    assert set(runs) == names


def test_convolutions_are_chosen_by_trial_in_training_alone(prepared, tmp_path, monkeypatch):
    module, seen = generator_module(), []
    monkeypatch.setattr(type(module), "choose_convolutions", lambda self: enable(True))

    def enable(value):
        torch.backends.cudnn.benchmark = value

    for hook in ("training_step", "validation_step"):
        original = getattr(module, hook)

        def spy(*args, original=original, hook=hook):
            seen.append((hook, torch.backends.cudnn.benchmark))
            return original(*args)

        monkeypatch.setattr(module, hook, spy)
    trainer(tmp_path, max_epochs=2).fit(module, generator_data(prepared))
    assert set(seen) == {("training_step", True), ("validation_step", False)}
