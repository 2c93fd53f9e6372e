"""LipGAN's training with tiny networks and data."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import ADAM, CONSTANT, changed, state, trainer

from lipsync.checkpoints import load_model
from lipsync.data.datasets import Clips, Windows
from lipsync.data.module import ClipDataModule
from lipsync.data.store import write_clip, write_split
from lipsync.errors import CheckpointError, ConfigError
from lipsync.models import LipGAN, LipGANDiscriminator
from lipsync.training import GeneratorTraining, measures, terms
from lipsync.training.augment import Augment
from lipsync.training.callbacks import GeneratorSheet


def lipgan_module(**options) -> GeneratorTraining:
    torch.manual_seed(0)
    defaults = {
        "generator": LipGAN(96, width=0.1, depth=0),
        "discriminator": LipGANDiscriminator(96, width=0.1),
        "optimizer": ADAM,
        "schedule": CONSTANT,
        "loss": {"reconstruction": 1.0, "adversarial": 0.01},
        "terms": {
            "reconstruction": terms.Reconstruction(),
            "adversarial": terms.SyncAdversarial(),
        },
        "metrics": {
            "l1": measures.L1(),
            "psnr": measures.PSNR(),
            "discriminator": measures.DiscriminatorAccuracy(),
        },
        "frames": 1,
    }
    return GeneratorTraining(**defaults | options)


def lipgan_data(root, **options) -> ClipDataModule:
    defaults = {"image_size": 96, "batch_size": 2, "eval_batch_size": 2, "batches_per_epoch": 2}
    frames, clips = partial(Windows, windows=3), partial(Clips, windows=5)
    return ClipDataModule(root, frames, clips, **defaults | options)


def test_a_step_trains_both_with_one_forward_and_shows_the_reference_first(prepared, tmp_path):
    module = lipgan_module()
    before = state(module.generator), state(module.discriminator)
    seen = []
    module.generator.register_forward_pre_hook(lambda m, inputs: seen.append(inputs))
    data = lipgan_data(prepared)
    trainer(tmp_path, limit_val_batches=0).fit(module, data)
    assert changed(module.generator, before[0])
    assert changed(module.discriminator, before[1])
    assert module.batches_done == len(seen) == 2

    mfcc, faces = seen[0]
    assert mfcc.shape == (6, 1, 1, 12, 35)
    first = data.train[0]
    reference, target = (
        torch.from_numpy(np.moveaxis(first[name], -1, 2) / 255.0).float()
        for name in ("reference", "faces")
    )
    torch.testing.assert_close(faces[:3, :, :3], reference)
    torch.testing.assert_close(faces[:3, :, 3:, :48], target[..., :48, :])
    assert (faces[:, :, 3:, 48:] == 0).all()


def test_the_discriminator_hears_other_sound_or_sees_generated_faces(prepared, tmp_path):
    """Real pairs in every batch; the other kind is random, a function of seed and batch."""
    coins = [shifted_batches(prepared, tmp_path, seed) for seed in (0, 99)]
    assert 3 <= sum(coins[0]) <= 9
    assert coins[0] == coins[1]


def shifted_batches(prepared, tmp_path, torch_seed: int) -> list[bool]:
    """Which of twelve batches had shifted sound, by the discriminator's inputs."""
    module = lipgan_module()
    pairs, shifted = [], []
    module.discriminator.register_forward_pre_hook(lambda m, inputs: pairs.append(inputs))
    torch.manual_seed(torch_seed)
    data = lipgan_data(prepared, batches_per_epoch=12)
    trainer(tmp_path, limit_val_batches=0).fit(module, data)
    assert len(pairs) == 3 * 12  # real, other, and for the generator
    for real, other, generated in zip(pairs[::3], pairs[1::3], pairs[2::3], strict=True):
        same_sound, same_face = (torch.equal(a, b) for a, b in zip(real, other, strict=True))
        assert same_sound != same_face
        assert same_face or torch.equal(other[1], generated[1])
        shifted.append(same_face)
    return shifted


def test_a_resumed_run_is_the_same_run(prepared, tmp_path):
    def fit(epochs: int, module: GeneratorTraining, **options) -> GeneratorTraining:
        run = trainer(tmp_path, max_epochs=epochs, limit_val_batches=0)
        run.fit(module, lipgan_data(prepared), weights_only=True, **options)
        run.save_checkpoint(tmp_path / "last.ckpt")
        return module

    whole = state(fit(2, lipgan_module(augment=Augment(ramp=3))))
    fit(1, lipgan_module(augment=Augment(ramp=3)))
    fresh = lipgan_module(augment=Augment(ramp=3), seed=0)
    resumed = fit(2, fresh, ckpt_path=tmp_path / "last.ckpt")
    assert not changed(resumed, whole)


def test_every_number_is_logged_and_a_sheet_is_kept(prepared, tmp_path):
    run = trainer(tmp_path, callbacks=[GeneratorSheet(tmp_path / "pictures", clips=2)])
    module, data = lipgan_module(), lipgan_data(prepared)
    run.fit(module, data)
    logged = dict(run.callback_metrics)
    for name in ("reconstruction", "adversarial", "discriminator", "distance_real"):
        assert f"train/{name}" in logged
    for system in ("generated", "swapped_audio", "copied_reference"):
        assert {f"val/l1_{system}", f"val/psnr_{system}"} <= logged.keys()
    copied = logged["val/l1_generated"] / logged["val/l1_copied_reference"]
    assert logged["val/score"] == pytest.approx(float(copied))
    # The fixture's pixels are independent noise of 0 to 255: the mean distance of two is a third.
    assert logged["val/l1_copied_reference"] == pytest.approx(1 / 3, abs=0.01)
    assert 0 <= logged["val/discriminator_auc"] <= 1

    (picture,) = (tmp_path / "pictures").glob("sheet-*.png")
    sheet = np.asarray(Image.open(picture))
    assert sheet.shape == (5 * 96, 2 * 1 * 96, 3)
    np.testing.assert_array_equal(sheet[:96, :96], data.val[0]["faces"][2, 0])
    assert (sheet[96 + 48 : 192] == 0).all()  # the masked input

    fixed = float(module.metrics["discriminator"].threshold)
    (tested,) = run.test(module, data, verbose=False)
    assert {"test/discriminator_auc", "test/discriminator_accuracy"} <= tested.keys()
    assert float(module.metrics["discriminator"].threshold) == fixed  # chosen on val


def test_it_trains_without_a_discriminator(prepared, tmp_path):
    run = trainer(tmp_path)
    run.fit(lipgan_module(discriminator=None), lipgan_data(prepared))
    assert "train/adversarial" not in run.callback_metrics
    assert "val/discriminator_auc" not in run.callback_metrics
    run.save_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match=r"x\.ckpt: holds no discriminator"):
        load_model(tmp_path / "x.ckpt", part="discriminator")


def test_both_networks_can_be_taken_from_a_checkpoint(prepared, tmp_path):
    run = trainer(tmp_path, limit_val_batches=0)
    run.fit(lipgan_module(), lipgan_data(prepared))
    run.save_checkpoint(tmp_path / "x.ckpt")
    trained = run.lightning_module
    generator = load_model(tmp_path / "x.ckpt")
    discriminator = load_model(tmp_path / "x.ckpt", part="discriminator")
    assert isinstance(generator, LipGAN)
    assert isinstance(discriminator, LipGANDiscriminator)
    assert not changed(trained.generator, generator.state_dict())
    assert not changed(trained.discriminator, discriminator.state_dict())


def test_parts_of_different_sizes_are_an_error_before_training():
    with pytest.raises(ConfigError, match=r"differ in image_size: generator 96, discriminator 128"):
        lipgan_module(discriminator=LipGANDiscriminator(128, width=0.1))


@pytest.mark.slow
def test_the_discriminator_learns_a_planted_correspondence(tmp_path):
    """The mouth is bright during noise: a few dozen steps must learn that."""
    keys = {"train": ["a/0", "a/1", "b/2", "b/3"], "val": ["c/4", "c/5"], "test": ["d/6", "d/7"]}
    for seed, key in enumerate(key for names in keys.values() for key in names):
        rng = np.random.default_rng(seed)
        half = rng.integers(0, 2, 5)
        level = np.repeat(np.concatenate([half, 1 - half]), 8)  # 80 frames
        faces = np.full((80, 96, 96, 3), 90, np.uint8)
        faces[:, 56:88, 24:72] = (level * 255).astype(np.uint8)[:, None, None, None]
        white = rng.standard_normal((2, 80 * 640))
        dull = np.convolve(white[0], np.ones(8) / 8, "same")
        weight = np.repeat(level, 640)
        wave = 0.1 * (weight * white[1] + (1 - weight) * dull)
        write_clip(tmp_path, key, faces=faces, wave=wave.astype(np.float32), info={})
    for split, names in keys.items():
        write_split(tmp_path, split, names)

    module = lipgan_module()
    data = lipgan_data(tmp_path, batch_size=4, batches_per_epoch=40)
    data.make_evaluation = partial(Clips, windows=30)
    run = trainer(tmp_path)
    run.fit(module, data)
    found = dict(run.callback_metrics)
    found |= run.test(module, data, verbose=False)[0]
    assert found["val/discriminator_auc"] > 0.75
    assert found["test/discriminator_auc"] > 0.75
    assert found["test/discriminator_accuracy"] > 0.65
