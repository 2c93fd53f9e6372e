"""Training of a voice converter on two synthetic speakers."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from test_run import train
from tiny import ADAM, CONSTANT, changed, state, trainer

from lipsync.checkpoints import load_model
from lipsync.data.module import ClipDataModule
from lipsync.data.store import PreparedFolder, write_split
from lipsync.errors import ClipError, ConfigError
from lipsync.media import write_audio
from lipsync.voice.data import VoiceClips, VoiceCrops, speaker_files
from lipsync.voice.network import VoiceConverter, VoiceDiscriminators
from lipsync.voice.pictures import VoiceSheet
from lipsync.voice.training import VoiceTraining

sys.path.append(str(Path(__file__).parents[1] / "voice"))
from voices import RATE, speak, write_speakers

SPEAKERS = ("low", "high")


def test_the_command_trains_on_folders_of_sounds_without_lists(root, tmp_path):
    done = train(
        *("model=cyclegan_vc", "data=folder", f"data.root={root}", "voices=[low,high]"),
        *("size.voice.width=0.0625", "trainer.batches=1", "data.batch_size=1", "data.workers=0"),
        *("callbacks.progress=null", f"hydra.run.dir={tmp_path}"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoints" / "best.ckpt").is_file()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_speakers(tmp_path_factory.mktemp("voices") / "set")


def module(**options) -> VoiceTraining:
    torch.manual_seed(0)
    defaults = {
        "generator": VoiceConverter(SPEAKERS, width=0.0625),
        "discriminators": VoiceDiscriminators(width=0.0625),
        "optimizer": ADAM,
        "schedule": CONSTANT,
        "identity_batches": 2,
        "loss": {"cycle": 2.0, "identity": 1.0, "adversarial": 1.0},
    }
    return VoiceTraining(**defaults | options)


def data(root: Path, **options) -> ClipDataModule:
    crops = partial(VoiceCrops, speakers=SPEAKERS, frames=32)
    clips = partial(VoiceClips, speakers=SPEAKERS, pairs=2)
    defaults = {"image_size": 96, "batch_size": 2, "eval_batch_size": 1, "batches_per_epoch": 3}
    return ClipDataModule(root, crops, clips, **defaults | options)


def test_crops_follow_from_seed_and_draw_and_are_not_parallel(root):
    make = partial(VoiceCrops, PreparedFolder(root), "train", speakers=SPEAKERS, frames=32)
    crops, again, other = make(), make(), make(seed=1)
    assert crops[5]["a"].shape == crops[5]["b"].shape == (32, 32)
    np.testing.assert_array_equal(crops[5]["a"], again[5]["a"])
    seen = [tuple(crops[i]["start"]) for i in range(12)]
    assert seen == [tuple(again[i]["start"]) for i in range(12)]
    assert seen != [tuple(other[i]["start"]) for i in range(12)]
    assert any(a != b for a, b in seen)
    assert crops[0]["key"].startswith("low/")


def test_statistics_are_those_of_each_speaker(root):
    crops = VoiceCrops(PreparedFolder(root), "train", speakers=SPEAKERS, frames=32)
    mean, std, log_pitch = crops.statistics()
    assert mean.shape == std.shape == (2, 32)
    assert log_pitch[:, 0].exp().tolist() == pytest.approx([110, 220], rel=0.05)
    rows = np.concatenate([clip.cepstra for clip in crops.clips[1]])
    assert mean[1, 1:].numpy() == pytest.approx(rows.mean(axis=0)[1:], abs=0.5)


def test_split_lists_are_followed_and_made_where_there_are_none(root, tmp_path):
    parts = {split: speaker_files(root, "low", split) for split in ("train", "val", "test")}
    assert [[key for key, _ in part] for part in parts.values()] == [
        ["low/0", "low/1"],
        ["low/2"],
        ["low/3"],
    ]
    for i in range(3):
        (tmp_path / f"s/{i}").mkdir(parents=True)
        write_audio(tmp_path / f"s/{i}/audio.wav", speak(0.2), RATE)
    for split, key in (("train", "s/2"), ("val", "s/0"), ("test", "s/1")):
        write_split(tmp_path, split, [key])
    assert speaker_files(tmp_path, "s", "train") == [("s/2", tmp_path / "s/2/audio.wav")]
    write_split(tmp_path, "val", ["other/0"])  # a speaker missing from a list: split anew
    assert [key for key, _ in speaker_files(tmp_path, "s", "train")] == ["s/0"]


def test_a_step_trains_all_networks_and_logs_every_term(root, tmp_path):
    training = module()
    before = state(training.generator), state(training.discriminators)
    run = trainer(tmp_path, callbacks=[VoiceSheet(tmp_path / "pictures")])
    run.fit(training, data(root))
    assert changed(training.generator, before[0])
    assert changed(training.discriminators, before[1])
    assert training.weights()["identity"] == 0.0  # after two batches
    logged = set(run.callback_metrics)
    terms = {"cycle", "adversarial", "discriminator", "discriminator_accuracy", "change"}
    assert {f"train/{name}" for name in terms} <= logged
    assert {"val/score", "val/as_target_converted", "val/cycle"} <= logged
    assert list((tmp_path / "pictures").glob("envelopes-*.png"))


@pytest.mark.slow
def test_it_learns_what_mean_and_deviation_leave_undone(root, tmp_path):
    torch.manual_seed(0)
    training = module(
        optimizer=partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.999)),
        loss={"cycle": 1.0, "identity": 0.0, "adversarial": 1.0},
    )
    run = trainer(tmp_path)
    run.fit(training, data(root, batch_size=4, batches_per_epoch=30))
    logged = run.callback_metrics
    assert logged["val/as_target_converted"] > logged["val/as_target_statistics"] + 0.05
    assert logged["val/cycle"] < 0.75  # with features of unit variance: other words give 1.1


def test_a_resumed_run_is_the_same_run(root, tmp_path):
    def fit(epochs: int, training: VoiceTraining, **options) -> VoiceTraining:
        run = trainer(tmp_path, max_epochs=epochs, limit_val_batches=0)
        run.fit(training, data(root), weights_only=True, **options)
        run.save_checkpoint(tmp_path / "last.ckpt")
        return training

    whole = state(fit(2, module()))
    fit(1, module())
    assert not changed(fit(2, module(), ckpt_path=tmp_path / "last.ckpt"), whole)

    loaded = load_model(tmp_path / "last.ckpt")
    assert isinstance(loaded, VoiceConverter)
    assert loaded.log_pitch[:, 0].exp().tolist() == pytest.approx([110, 220], rel=0.05)
    assert isinstance(load_model(tmp_path / "last.ckpt", part="discriminator"), VoiceDiscriminators)


def test_bad_data_is_one_line_with_the_name(root, tmp_path):
    with pytest.raises(ConfigError, match=r"no sound of a speaker 'bob'; its folders: high, lo"):
        VoiceCrops(PreparedFolder(root), speakers=("low", "bob"))
    with pytest.raises(ClipError, match=r"^low/0: 0.91 s of sound, but a crop needs 1.2 s"):
        VoiceCrops(PreparedFolder(root), speakers=SPEAKERS, frames=120)
    with pytest.raises(ConfigError, match="frames=30: must be a multiple of 4"):
        VoiceCrops(PreparedFolder(root), speakers=SPEAKERS, frames=30)
    write_speakers(tmp_path / "few", clips=2, seconds=0.2)
    with pytest.raises(ConfigError, match="2 clips of low, at least 3 are needed"):
        VoiceCrops(PreparedFolder(tmp_path / "few"), speakers=SPEAKERS)
    write_speakers(tmp_path / "silent", clips=3, seconds=0.4)
    write_audio(tmp_path / "silent" / "high" / "0.wav", np.zeros(RATE, np.float32), RATE)
    with pytest.raises(ClipError, match=r"^high/0: contains no voiced sound"):
        VoiceCrops(PreparedFolder(tmp_path / "silent"), speakers=SPEAKERS, frames=32)
    with pytest.raises(ConfigError, match=r"read \[32, 40\] coefficients"):
        module(discriminators=VoiceDiscriminators(40, width=0.0625))
