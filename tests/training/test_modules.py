"""The two Lightning modules on tiny networks and tiny data."""

from functools import partial

import pytest
import torch
from tiny import ADAM, changed, state, trainer

from lipsync.data.datasets import (
    ExpertClips,
    ExpertWindows,
    GeneratorClips,
    GeneratorWindows,
    JudgeClips,
    JudgeWindows,
)
from lipsync.data.module import ClipDataModule
from lipsync.errors import ConfigError
from lipsync.models import QualityDiscriminator, SyncNet, SyncNetV2, Wav2Lip
from lipsync.training import ExpertTraining, GeneratorTraining, JudgeTraining
from lipsync.training.augment import Augment
from lipsync.training.optim import constant, warmup_cosine


def small_expert(size: int = 96) -> SyncNet:
    torch.manual_seed(1)
    return SyncNet(size, width=0.1, depth=0)


def generator_module(**options) -> GeneratorTraining:
    torch.manual_seed(0)
    defaults = {
        "generator": Wav2Lip(96, width=0.1, depth=0, mel_lead=1),
        "discriminator": QualityDiscriminator(96, width=0.1),
        "expert": small_expert(),
        "optimizer": ADAM,
        "schedule": constant,
        "loss": {"reconstruction": 1.0, "lower": 0.5, "sync": 0.3, "adversarial": 0.1},
        "sync_threshold": None,
    }
    return GeneratorTraining(**defaults | options)


def generator_data(root) -> ClipDataModule:
    return ClipDataModule(
        root,
        partial(GeneratorWindows, lead=1),
        partial(GeneratorClips, lead=1, per_clip=1),
        image_size=96,
        batch_size=2,
        eval_batch_size=2,
        batches_per_epoch=2,
    )


def test_a_step_trains_generator_and_discriminator_and_leaves_the_expert(prepared, tmp_path):
    module = generator_module()
    parts = {"g": module.generator, "d": module.discriminator, "e": module.expert}
    before = {name: state(part) for name, part in parts.items()}
    calls = []
    module.generator.register_forward_hook(
        lambda m, *_: calls.append(torch.is_grad_enabled() and m.training)
    )
    trainer(tmp_path, limit_val_batches=0).fit(module, generator_data(prepared))
    assert changed(module.generator, before["g"])
    assert changed(module.discriminator, before["d"])
    assert not changed(module.expert, before["e"])  # nor its BatchNorm statistics
    assert not module.expert.training
    assert calls == [True, True]  # one forward a step, two steps
    assert module.batches_done == 2
    assert not any("expert" in name for name in module.state_dict())


def test_the_generator_is_not_moved_by_the_discriminator_s_loss(prepared, tmp_path):
    loss = {"reconstruction": 0.0, "lower": 0.0, "sync": 0.0, "adversarial": 0.0}
    module = generator_module(loss=loss)
    weights = [p.clone() for p in module.generator.parameters()]
    discriminator = state(module.discriminator)
    trainer(tmp_path, limit_val_batches=0).fit(module, generator_data(prepared))
    assert changed(module.discriminator, discriminator)
    for old, new in zip(weights, module.generator.parameters(), strict=True):
        assert torch.equal(old, new)


def test_it_trains_without_a_discriminator(prepared, tmp_path):
    module = generator_module(discriminator=None)
    run = trainer(tmp_path)
    run.fit(module, generator_data(prepared))
    assert module.batches_done == 2
    assert {"train/reconstruction", "train/sync"} <= set(run.callback_metrics)
    assert "train/adversarial" not in run.callback_metrics


def test_every_term_and_every_baseline_is_logged(prepared, tmp_path):
    run = trainer(tmp_path)
    run.fit(generator_module(), generator_data(prepared))
    logged = set(run.callback_metrics)
    for name in ("reconstruction", "lower", "sync", "adversarial", "discriminator_accuracy"):
        assert f"train/{name}" in logged
    for system in ("generated", "swapped_audio", "copied_reference", "real"):
        assert {f"val/l1_{system}", f"val/sync_{system}"} <= logged
    assert run.callback_metrics["val/l1_real"] == 0
    # The fixture's pixels are independent noise of 0 to 255: the mean distance of two is a third.
    assert run.callback_metrics["val/l1_copied_reference"] == pytest.approx(1 / 3, abs=0.01)


def test_the_sync_weight_waits_for_the_validation_loss(prepared, tmp_path):
    waits = generator_module(sync_threshold=0.0)
    trainer(tmp_path).fit(waits, generator_data(prepared))
    assert waits.weights()["sync"] == 0.0

    starts = generator_module(sync_threshold=99.0, sync_ramp=4)
    assert starts.weights()["sync"] == 0.0
    trainer(tmp_path).fit(starts, generator_data(prepared))
    assert int(starts.sync_start) == 2  # the batch after the first validation
    assert starts.weights()["sync"] == pytest.approx(0.3 * 1 / 4)
    assert starts.weights()["reconstruction"] == 1.0

    later = generator_module(sync_threshold=None, sync_from=2)
    assert later.weights()["sync"] == 0.0
    trainer(tmp_path, limit_val_batches=0).fit(later, generator_data(prepared))
    assert later.weights()["sync"] == 0.3


def test_parts_of_different_sizes_are_an_error_before_training():
    with pytest.raises(ConfigError, match=r"different image sizes \[96, 128\]"):
        generator_module(expert=small_expert(128))


def test_the_checkpoint_says_what_is_in_it(prepared, tmp_path):
    run = trainer(tmp_path)
    run.fit(generator_module(), generator_data(prepared))
    run.save_checkpoint(tmp_path / "x.ckpt")
    told = torch.load(tmp_path / "x.ckpt", weights_only=True)["lipsync"]
    assert told["class"] == "Wav2Lip"
    assert told["config"]["mel_lead"] == 1

    from lipsync.checkpoints import load_model

    loaded = load_model(tmp_path / "x.ckpt")
    assert not loaded.training
    for name, value in run.lightning_module.generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_an_expert_learns_a_planted_correspondence(tmp_path):
    """Mouth brightness follows loudness: a few dozen steps have to find it."""
    import numpy as np

    from lipsync.data.store import write_clip, write_split

    keys = {"train": ["a/0", "a/1", "b/2", "b/3"], "val": ["c/4", "c/5"]}
    for seed, key in enumerate(keys["train"] + keys["val"]):
        rng = np.random.default_rng(seed)
        level = np.repeat(rng.uniform(0, 1, 60), 1)
        faces = np.full((60, 96, 96, 3), 90, np.uint8)
        faces[:, 56:88, 24:72] = (level * 255).astype(np.uint8)[:, None, None, None]
        wave = np.repeat(level, 640) * 0.3 * rng.standard_normal(60 * 640)
        write_clip(tmp_path, key, faces=faces, wave=wave.astype(np.float32), info={})
    for split, names in keys.items():
        write_split(tmp_path, split, names)

    torch.manual_seed(0)
    module = ExpertTraining(
        SyncNet(96, width=0.1, depth=0),
        optimizer=partial(torch.optim.AdamW, lr=2e-3),
        schedule=partial(warmup_cosine, warmup=5),
        loss={"bce": 0.0, "contrastive": 1.0},
    )
    data = ClipDataModule(
        tmp_path,
        partial(ExpertWindows, windows=8),
        ExpertClips,
        image_size=96,
        batch_size=4,
        eval_batch_size=1,
        batches_per_epoch=60,
    )
    run = trainer(tmp_path)
    run.fit(module, data)
    assert run.callback_metrics["val/off_sync_accuracy"] > 0.85  # seeds: 0.88 to 0.94
    assert run.callback_metrics["val/offset_within_1"] == 1.0
    assert module.results["profile"].argmax() == 15
    assert float(module.threshold) == pytest.approx(float(run.callback_metrics["val/threshold"]))


def test_the_learning_rate_rises_and_falls():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warmup_cosine(optimizer, total=100, warmup=10, final=0.1)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.55)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize("form", ["bce", "hinge"])
def test_the_adversarial_options_train_together(prepared, tmp_path, form):
    module = generator_module(
        adversarial=form,
        r1=1.0,
        discriminator=QualityDiscriminator(96, width=0.1, spectral_norm=True),
        loss={"reconstruction": 1.0, "structure": 0.5, "adversarial": 0.1},
    )
    before = state(module.discriminator)
    run = trainer(tmp_path, limit_val_batches=0)
    run.fit(module, generator_data(prepared))
    assert changed(module.discriminator, before)
    assert run.callback_metrics["train/r1"] > 0
    assert 0 < run.callback_metrics["train/structure"] <= 1
    run.save_checkpoint(tmp_path / "x.ckpt")
    from lipsync.checkpoints import load_model

    loaded = load_model(tmp_path / "x.ckpt", part="discriminator").state_dict()
    for name, value in module.discriminator.state_dict().items():
        assert torch.equal(loaded[name], value), name


def test_an_unknown_form_is_an_error():
    with pytest.raises(ConfigError, match=r"model.adversarial=lsgan: must be one of bce, hinge"):
        generator_module(adversarial="lsgan")


def test_a_judge_trains_on_whole_faces_and_cepstra(prepared, tmp_path):
    torch.manual_seed(0)
    module = JudgeTraining(
        SyncNetV2(96, width=0.1, framing="steady", unit=True),
        optimizer=ADAM,
        schedule=constant,
        loss={"bce": 0.5, "contrastive": 1.0},
        augment=Augment(mel_gain=2.0, mel_noise=0.5),
    )
    data = ClipDataModule(
        prepared,
        partial(JudgeWindows, windows=6),
        JudgeClips,
        image_size=96,
        batch_size=2,
        eval_batch_size=1,
        batches_per_epoch=2,
    )
    before = state(module.expert)
    trainer(tmp_path).fit(module, data)
    assert changed(module.expert, before)
    assert 0 <= module.results["accuracy"] <= 1
