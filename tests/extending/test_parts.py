"""The guide's five examples: parts outside the package, trained for a few batches."""

import numpy as np
import pytest
import torch
from parts.feature import Loudness
from parts.generator import PlainUNet

from lipsync.checkpoints import load_model
from lipsync.data.store import PreparedFolder, open_clip, read_split
from lipsync.dubbing import dub
from lipsync.errors import ClipError
from lipsync.evaluation import as_judge
from lipsync.features import feature_of
from lipsync.training.measures import SYSTEMS

SILENT_JUDGE = "model.judge=null"


def test_a_generator_trains_and_its_checkpoint_is_read(trained):
    module, logged, checkpoint = trained("model=plain_unet", "model.generator.channels=8")
    assert type(module.generator) is PlainUNet
    assert {"train/reconstruction", "train/lower", "val/judge_generated"} <= set(logged)
    again = load_model(checkpoint)
    faces, sound = torch.rand(2, 6, 96, 96), torch.rand(2, 1, 80, 16)
    painted = module.generator.eval()(sound, faces)
    assert torch.equal(again(sound, faces), painted)
    assert not torch.allclose(again(sound + 1, faces), painted)
    in_time = again(sound[None], faces[None])
    assert torch.allclose(in_time[0], painted, atol=1e-5)


def test_a_generator_dubs_by_a_feature_of_its_own(trained, noise_with_loudness, media, tmp_path):
    module, _, checkpoint = trained(
        *("model=plain_unet", "model.generator.channels=8"),
        *("feature@model.generator.feature=loudness", f"data.root={noise_with_loudness}"),
    )
    assert module.generator.audio_shape == (1, 2, 20)
    face, speech = media
    result = dub(face, speech, tmp_path / "dub.mp4", model=checkpoint)
    assert result.frames == 25


def test_a_term_holds_a_frozen_network_outside_of_the_checkpoint(trained):
    module, logged, checkpoint = trained(
        "experiment=sync_as_real", "model.discriminator=null", SILENT_JUDGE
    )
    expert = module.terms["as_real"].expert
    untouched = load_model("syncnet-open").state_dict()
    assert all(torch.equal(value, untouched[n]) for n, value in expert.network.state_dict().items())
    assert not expert.network.training
    assert logged["train/as_real"] > 0
    assert module.loss_weights["as_real"] == 0.1
    content = torch.load(checkpoint, weights_only=True)
    assert not any("as_real" in name for name in content["state_dict"])
    assert content["lipsync"]["frozen"] == {"as_real": [expert.sha256]}


def test_a_term_is_zero_where_the_true_faces_are_painted_and_moves_the_generator(parts):
    module, data = parts("experiment=sync_as_real", "model.discriminator=null", SILENT_JUDGE)
    windows = data.make_train(data.reader(), "train", module.inputs())
    batch = torch.utils.data.default_collate([windows[i] for i in range(2)])
    step, term = module.prepare(batch), module.terms["as_real"]
    assert term(step) == 0  # before rendering, a step holds the true faces instead
    fake = module(step.sound, step.target, step.reference)
    term(type(step)(**{**vars(step), "fake": fake})).backward()
    assert all(p.grad is not None for p in module.generator.parameters())


def test_a_set_without_a_feature_says_how_to_add_it(trained):
    with pytest.raises(ClipError, match=r"'features=\[loudness\]' 'plugins=\[parts.feature\]'"):
        trained("model=syncnet", "feature@model.expert.feature=loudness")


def test_a_feature_is_heard_by_an_expert_that_then_scores(trained, noise_with_loudness):
    root = noise_with_loudness
    module, logged, checkpoint = trained(
        *("model=syncnet", "feature@model.expert.feature=loudness", f"data.root={root}"),
        "+model.augment.sound.loudness.gain=0.5",
    )
    assert module.augment.for_feature(module.feature).gain == 0.5
    assert "val/auc" in logged
    assert feature_of(load_model(checkpoint)) == Loudness(window=20)
    clip = open_clip(root, "anna/1")
    (scored,) = as_judge(str(checkpoint)).score(clip.faces, [clip.wave], 3)
    assert np.isfinite(scored.result.distance)


def test_the_feature_s_numbers():
    time = np.arange(16000) / 16000
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    values = Loudness().extract(tone)
    assert values.shape == (2, 101)
    np.testing.assert_allclose(values[0, :90], 8 + np.log10(0.125), atol=0.02)
    np.testing.assert_allclose(values[1, :90].mean(), 2 * 440 / 16000, rtol=0.02)
    np.testing.assert_allclose(Loudness().extract(np.zeros(800, np.float32)), 0, atol=1e-5)
    piece = Loudness().extract(tone[1600:8000])  # 10 columns later; the last ones extend beyond it
    np.testing.assert_array_equal(piece[:, :38], values[:, 10:48])


def test_the_feature_s_augmentation_changes_the_loudness_alone():
    windows, rng = torch.rand(3, 4, 1, 2, 20), torch.Generator().manual_seed(0)
    change = Loudness.augmentation(gain=1.0).draw(3, 0.5, rng)
    moved = change(windows) - windows
    assert torch.equal(moved[..., 1, :], torch.zeros(3, 4, 1, 20))
    by_clip = moved[..., 0, :].flatten(1)
    assert (by_clip.std(dim=1) < 1e-6).all()
    assert 0 < by_clip.abs().max() <= 0.5


def test_a_reader_of_another_format_gives_the_samples_of_the_set_that_it_was_made_from(
    trained, parts, noise, tmp_path
):
    for split in ("train", "val"):
        for key in read_split(noise, split):
            clip, path = open_clip(noise, key), tmp_path / "npz" / split / f"{key}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, faces=clip.faces, wave=clip.wave)
    options = ("data=npz", f"data.root={tmp_path / 'npz'}", "model=syncnet")
    _, data = parts(*options)
    reader, stored = data.reader(), PreparedFolder(noise)
    assert reader.keys("val") == sorted(stored.keys("val"))
    module, logged, _ = trained(*options)
    assert "val/auc" in logged
    one, other = (each.open("ben/1") for each in (reader, stored))
    np.testing.assert_array_equal(one.read([3, 1], top=48), other.read([3, 1], top=48))
    mine, theirs = (clip.feature(module.feature) for clip in (one, other))
    np.testing.assert_allclose(mine, theirs, atol=0.02)  # 16 bit sound

    (tmp_path / "npz/val/ben/3.npz").write_bytes(b"PK")
    with pytest.raises(ClipError, match="ben/3: faces cannot be read"):
        data.reader().open("ben/3")


def test_a_metric_is_measured_for_every_system(trained):
    _, logged, _ = trained("experiment=flicker", "model.discriminator=null", SILENT_JUDGE)
    assert {f"val/flicker_{system}" for system in SYSTEMS} <= set(logged)
    assert logged["val/flicker_real"] == pytest.approx(1 / 3, abs=0.01)  # noise of 0 to 255
