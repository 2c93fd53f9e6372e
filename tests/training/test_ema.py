"""The moving average of the weights."""

import torch
from test_modules import generator_data, generator_module
from tiny import state, trainer

from lipsync.checkpoints import load_model
from lipsync.training.ema import MovingAverage


def fit(prepared, tmp_path, epochs, average, ckpt_path=None, **options):
    module = generator_module(**options)
    run = trainer(tmp_path, max_epochs=epochs, limit_train_batches=2, callbacks=[average])
    run.fit(module, generator_data(prepared), ckpt_path=ckpt_path, weights_only=True)
    return module, run


def test_the_average_follows_the_weights(prepared, tmp_path):
    average = MovingAverage(0.9)
    seen = []
    module = generator_module()
    original = average.on_train_batch_end

    def spy(*args):
        seen.append(state(module.generator))
        original(*args)

    average.on_train_batch_end = spy
    first = state(module.generator)
    trainer(tmp_path, limit_val_batches=0, callbacks=[average]).fit(
        module, generator_data(prepared)
    )
    name = next(name for name, _ in module.generator.named_parameters())
    expected = first[name]
    for batch, weights in enumerate(seen):
        decay = min(0.9, (1 + batch) / (10 + batch))
        expected = decay * expected + (1 - decay) * weights[name]
    torch.testing.assert_close(average.average[name], expected)
    assert not torch.equal(average.average[name], seen[-1][name])


def test_it_decays_by_steps_of_the_optimiser(prepared, tmp_path):
    average, seen = MovingAverage(0.9), []
    module = generator_module(accumulate=2)
    first = state(module.generator)
    original = average.on_train_batch_end

    def spy(*args):
        original(*args)
        seen.append((state(module.generator), {k: v.clone() for k, v in average.average.items()}))

    average.on_train_batch_end = spy
    run = trainer(tmp_path, limit_val_batches=0, max_epochs=2, callbacks=[average])
    run.fit(module, generator_data(prepared))  # four batches in two steps
    expected = first
    for step, (weights, averaged) in enumerate(seen[1::2]):
        decay = min(0.9, (1 + step) / (10 + step))
        for name, value in weights.items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
                torch.testing.assert_close(averaged[name], expected[name])
            else:
                assert torch.equal(averaged[name], value)
    for name, value in seen[1][1].items():
        assert torch.equal(value, seen[2][1][name])  # constant between two steps


def test_it_is_validated_and_saved_and_training_goes_on_from_the_weights(prepared, tmp_path):
    average = MovingAverage(0.9)
    _, run = fit(prepared, tmp_path, 1, average)
    run.save_checkpoint(tmp_path / "one.ckpt")
    loaded = load_model(tmp_path / "one.ckpt").state_dict()
    for name, value in average.average.items():
        assert torch.equal(loaded[name], value), name

    continued, _ = fit(prepared, tmp_path, 2, MovingAverage(0.9), tmp_path / "one.ckpt")
    whole, _ = fit(prepared, tmp_path, 2, MovingAverage(0.9))
    for name, value in state(whole.generator).items():
        assert torch.equal(value, continued.generator.state_dict()[name]), name
