"""Planted failures give the diagnostic line that names them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_modules import generator_data, generator_module
from tiny import trainer

from lipsync.data.checks import silent_share, sound_lag
from lipsync.data.datasets import Windows
from lipsync.data.inputs import Inputs, Span
from lipsync.data.store import PreparedFolder, open_clip, write_clip, write_split
from lipsync.features import Mel
from lipsync.training.diagnostics import Diagnostics
from lipsync.training.throughput import Throughput


def speaking_set(root, late: int = 0, silent: bool = False, clips: int = 6):
    """Mouths that flicker during speech; the sound is ``late`` by so many frames."""
    keys = [f"a/{i}" for i in range(clips)]
    for seed, key in enumerate(keys):
        rng = np.random.default_rng(seed)
        speaks = np.repeat(rng.uniform(size=15) < 0.5, 5)
        faces = np.full((75, 96, 96, 3), 90, np.uint8)
        faces[:, 56:88, 24:72] = rng.integers(60, 120, 75)[:, None, None, None]
        faces[~speaks, 56:88, 24:72] = 90
        loud = np.roll(speaks, late) & (not silent)
        wave = np.repeat(np.where(loud, 0.3, 0.0), 640) * rng.standard_normal(75 * 640)
        write_clip(root, key, faces=faces, wave=wave.astype(np.float32), info={})
    for split in ("train", "val"):
        write_split(root, split, keys)
    return [open_clip(root, key) for key in keys]


@pytest.mark.parametrize("late", [-12, -3, 0, 7, 12])
def test_the_lag_of_the_sound_is_seen_without_a_model(tmp_path, late):
    fit = sound_lag(speaking_set(tmp_path, late))
    assert abs(int(fit.argmax()) - 20 - late) <= 1


def test_shifted_sound_and_silence_are_named_before_training(tmp_path, caplog):
    for name, options in {"late": {"late": 12}, "silent": {"silent": True}, "good": {}}.items():
        speaking_set(tmp_path / name, **options)
    found = {}
    for name in ("late", "silent", "good"):
        diagnostics = Diagnostics()
        inputs = Inputs(96, "box", spans={"expert": Span(Mel(), 5)})
        diagnostics.check_data(Windows(PreparedFolder(tmp_path / name), "train", inputs))
        found[name] = diagnostics.findings
    assert list(found["late"]) == ["sound out of time"]
    assert "12 frames later" in found["late"]["sound out of time"]
    assert list(found["silent"]) == ["silence"]
    assert found["good"] == {}
    assert "sound out of time: in 6 clips" in caplog.text
    assert silent_share(speaking_set(tmp_path / "again", silent=True)) > 0.95


def test_a_discriminator_that_diverges_is_named(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("lipsync.training.diagnostics._SHOWN", 10)
    module = generator_module(
        discriminator_optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1.0)
    )
    diagnostics = Diagnostics()
    data = generator_data(prepared)
    data.batches_per_epoch = 5  # validation is more frequent than logging
    run = trainer(tmp_path, limit_val_batches=0, callbacks=[diagnostics], max_epochs=2)
    run.fit(module, data)
    assert "discriminator diverged" in diagnostics.findings
    assert "discriminator_optimizer.lr" in diagnostics.findings["discriminator diverged"]


def judged(batches: int, **values) -> dict[str, str]:
    """The diagnostics for a validation with these numbers."""
    diagnostics = Diagnostics()
    run = SimpleNamespace(
        state=SimpleNamespace(fn="fit"),
        callback_metrics={f"val/{name}": torch.tensor(value) for name, value in values.items()},
    )
    module = SimpleNamespace(batches_done=batches, contrastive_gap=2)
    diagnostics.on_validation_end(run, module)
    return diagnostics.findings


def test_chance_and_deafness_are_named_when_there_was_time_enough():
    assert "expert at chance" in judged(2000, off_sync_accuracy=0.51)
    assert judged(500, off_sync_accuracy=0.51) == {}
    assert judged(2000, off_sync_accuracy=0.8) == {}
    assert "generator ignores the sound" in judged(2000, audio_sensitivity_db=0.02)
    assert judged(2000, audio_sensitivity_db=1.5) == {}


@pytest.mark.parametrize("kinds", [[""], ["_shifted", "_generated"]])
def test_a_discriminator_that_has_won_is_named_after_a_while(kinds):
    diagnostics = Diagnostics()
    accuracies = {f"train/discriminator_accuracy{kind}": torch.tensor(1.0) for kind in kinds}
    run = SimpleNamespace(callback_metrics={"train/discriminator": torch.tensor(0.01)} | accuracies)
    for batch in range(150):
        module = SimpleNamespace(batches_done=batch)
        diagnostics.on_train_batch_end(run, module, None, None, batch)
    assert diagnostics.findings == {}
    for batch in range(150, 200):
        module = SimpleNamespace(batches_done=batch)
        diagnostics.on_train_batch_end(run, module, None, None, batch)
    assert "discriminator saturated" in diagnostics.findings


def test_throughput_is_logged(prepared, tmp_path):
    data = generator_data(prepared)
    run = trainer(tmp_path, limit_val_batches=0, callbacks=[Throughput(every=2)])
    run.fit(generator_module(discriminator=None), data)
    assert run.callback_metrics["train/samples_per_second"] > 0
    assert 0 < run.callback_metrics["train/waiting_for_data"] < 1
