"""Runs of a few batches with user-defined parts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from parts.feature import Loudness
from PIL import Image
from skimage import data

from data_prep.features import add_features
from lipsync.media import write_audio
from lipsync.training.base import Training
from lipsync.training.run import load_parts

HERE = Path(__file__).parent
CONF = HERE.parents[1] / "conf"
SPLITS = {"train": ["anna/1", "anna/2", "ben/1"], "val": ["anna/3", "ben/2"]}
TINY = (
    "size.expert.width=0.1",
    "size.expert.depth=0",
    "size.generator.width=0.05",
    "size.generator.depth=0",
    "data.batch_size=2",
    "data.workers=0",
)


@pytest.fixture(scope="session")
def noise(make_prepared, tmp_path_factory) -> Path:
    """A prepared set of noise."""
    return make_prepared(tmp_path_factory.mktemp("noise"), SPLITS)


@pytest.fixture(scope="session")
def noise_with_loudness(make_prepared, tmp_path_factory) -> Path:
    """The same, with the guide's feature."""
    root = make_prepared(tmp_path_factory.mktemp("noise"), SPLITS)
    added = add_features(root, [Loudness()], workers=0, progress=False)
    assert added.counts == {Loudness(): 5}
    return root


@pytest.fixture(scope="session")
def media(tmp_path_factory) -> tuple[Path, Path]:
    """A picture with a face, and a second of sound."""
    folder = tmp_path_factory.mktemp("media")
    Image.fromarray(data.astronaut()[:300, 80:380]).save(folder / "face.png")
    wave = 0.1 * np.random.default_rng(0).standard_normal(16000)
    write_audio(folder / "speech.wav", wave.astype(np.float32))
    return folder / "face.png", folder / "speech.wav"


@pytest.fixture
def parts(noise) -> Callable[..., tuple[Training, pl.LightningDataModule]]:
    """The configuration composed from the package's and the user's folder."""

    def make(*options: str, own: Path = HERE / "conf"):
        overrides = [f"hydra.searchpath=[file://{own}]", "data=folder", f"data.root={noise}"]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=[*overrides, *TINY, *options])
            return load_parts(config, batches_per_epoch=2)

    yield make
    HydraConfig.instance().cfg = None


@pytest.fixture
def trained(parts, tmp_path) -> Callable[..., tuple[Training, dict[str, float], Path]]:
    """Two batches and a validation: the module, the logged values, and a checkpoint."""

    def train(*options: str):
        module, clips = parts(*options)
        clips.check_splits(["train", "val"])
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            default_root_dir=tmp_path,
        )
        trainer.fit(module, datamodule=clips)
        trainer.save_checkpoint(tmp_path / "run.ckpt")
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        return module, logged, tmp_path / "run.ckpt"

    return train
