"""Every recipe composes and can be instantiated."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import OmegaConf
from test_run import tiny, train

from lipsync.data.module import ClipDataModule
from lipsync.errors import ConfigError
from lipsync.features import feature_of, get_feature
from lipsync.models import LongSyncNet, SyncNet
from lipsync.training.run import load_parts
from lipsync.training.settings import check_settings

CONF = Path(__file__).parents[2] / "conf"
RECIPES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
FEATURES = sorted(path.stem for path in (CONF / "feature").glob("*.yaml"))


def composed(*overrides: str):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        return config


@pytest.fixture(autouse=True)
def _no_hydra_left_behind():
    yield
    HydraConfig.instance().cfg = None


def build(config, tmp_path, monkeypatch):
    """The module of a configuration, with an untrained expert instead of the one it names."""
    sizes, experts = config.data.image_size, iter(range(100))

    def untrained(name: str) -> SyncNet | LongSyncNet:
        width, framing = 0.1 + 0.1 * next(experts), config.data.framing
        if "open_expert" in name:
            return LongSyncNet(sizes, width=width, framing=framing)
        return SyncNet(sizes, width=width, depth=0, framing=framing)

    monkeypatch.setattr("lipsync.training.frozen.load_model", untrained)
    monkeypatch.setattr("lipsync.training.generator.start_from", lambda *_: None)
    return load_parts(config, batches_per_epoch=3)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes(recipe, tmp_path, monkeypatch):
    config = composed(f"experiment={recipe}", f"data.root={tmp_path}")
    module, data = build(config, tmp_path, monkeypatch)
    assert data.batches_per_epoch == 3
    optimizer = module.make_optimizer([torch.nn.Parameter(torch.zeros(1))])
    module.make_schedule(optimizer, 10)
    for part in filter(None, config.callbacks.values()):
        part = {**part}
        for place in ("dirpath", "path"):
            if place in part:
                part[place] = str(tmp_path)
        instantiate(part)


@pytest.mark.parametrize(
    ("option", "plugin", "number"),
    [
        ("launcher=joblib", "joblib_launcher", "launcher.n_jobs"),
        ("launcher=submitit", "submitit_launcher", "launcher.timeout_min"),
        ("launcher=slurm", "submitit_launcher", "launcher.tasks_per_node"),
        ("launcher=ray", "ray_launcher", "launcher.ray.remote.num_gpus"),
        ("search=loss_weights", "optuna_sweeper", "sweeper.n_trials"),
    ],
)
def test_launchers_and_searches(option, plugin, number):
    pytest.importorskip(f"hydra_plugins.hydra_{plugin}", reason=f"{option} needs an extra")
    config = composed(option, "trainer.gpus=4")
    assert OmegaConf.select(config.hydra, number) >= 1


@pytest.mark.parametrize("size", ["small", "published"])
@pytest.mark.parametrize("model", ["syncnet", "wav2lip", "lipgan"])
def test_models_at_both_sizes(model, size, tmp_path, monkeypatch):
    config = composed(f"model={model}", f"size={size}", "data=folder", f"data.root={tmp_path}")
    module, _ = build(config, tmp_path, monkeypatch)
    trained = module.expert if model == "syncnet" else module.generator
    millions = sum(p.numel() for p in trained.parameters()) / 1e6
    expected = {
        ("syncnet", "small"): (2, 4),
        ("wav2lip", "small"): (2, 4),
        ("lipgan", "small"): (4, 5),
        ("syncnet", "published"): (16.3, 16.5),
        ("wav2lip", "published"): (36.2, 36.4),
        ("lipgan", "published"): (71, 72),
    }
    low, high = expected[model, size]
    assert low < millions < high


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize(("model", "part"), [("wav2lip", "generator"), ("syncnet", "expert")])
def test_what_networks_hear_is_an_option(model, part, feature, tmp_path, monkeypatch):
    choice, lead = f"feature@model.{part}.feature={feature}", f"model.{part}.feature.lead=1"
    options = f"model={model}", "data=folder", f"data.root={tmp_path}"
    module, _ = build(composed(*options, choice), tmp_path, monkeypatch)
    heard = feature_of(getattr(module, part))
    assert heard.name == feature
    inputs = module.inputs()
    if part == "expert":
        assert heard == get_feature(feature).spanning(5) == inputs.spans["expert"].feature
    else:
        assert heard == inputs.sound
        middle = (heard.start(10.0) + (heard.window - 1) / 2) / heard.rate  # of the first frame
        assert middle == pytest.approx(10.02, abs=0.025)  # s; the frame lasts from 10 to 10.04
        module, _ = build(composed(*options, choice, lead), tmp_path, monkeypatch)
        assert feature_of(module.generator).lead == 1
    composed(*options, choice, f"model.augment.sound.{feature}.noise=0.2")


def test_the_weights_of_the_objective_are_options(tmp_path, monkeypatch):
    config = composed(
        "model=wav2lip",
        "data=folder",
        f"data.root={tmp_path}",
        "model.loss.sync=0.1",
        "model.discriminator=null",
    )
    module, _ = build(config, tmp_path, monkeypatch)
    assert module.discriminator is None
    assert module.loss_weights["sync"] == 0.1
    assert "adversarial" not in module.loss_weights


@pytest.mark.parametrize(
    "option",
    ["batches=0", "accumulate=0", "clip=-1", "ema=1.0", "precision=8", "precision=16-mixed"],
)
def test_settings_that_cannot_work_are_one_line_before_any_data(tmp_path, option):
    name = option.split("=")[0]
    with pytest.raises(ConfigError, match=rf"trainer\.{name}="):
        check_settings(composed(f"trainer.{option}").trainer)


@pytest.mark.parametrize("debug", sorted(path.stem for path in (CONF / "debug").glob("*.yaml")))
def test_debug_runs(prepared, tmp_path, debug):
    options = [*tiny(prepared, tmp_path), "model=syncnet", f"debug={debug}"]
    done = train(*options, "trainer.batches=2", "trainer.val_every=2", "data.batch_size=2")
    assert done.returncode == 0, done.stderr
    if debug == "profile":
        (profile,) = (tmp_path / "profile").iterdir()
        assert "training_step" in profile.read_text()
    if debug == "limit":
        assert (tmp_path / "test.json").is_file()


def test_a_batch_that_is_seen_again_and_again(prepared):
    data = ClipDataModule(
        prepared, None, None, image_size=96, batch_size=3, eval_batch_size=1,
        batches_per_epoch=4, overfit=2,
    )  # fmt: skip
    data.train = range(100)
    seen = [batch.tolist() for batch in data.train_dataloader()]
    assert seen == [[0, 1, 2], [3, 4, 5]] * 2
