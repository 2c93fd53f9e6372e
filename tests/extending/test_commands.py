"""A user-defined generator through the commands, as separate processes."""

import os
from pathlib import Path
from subprocess import CompletedProcess

import forked
import pytest

from lipsync.media import probe

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
LIPSYNC = ("-m", "lipsync")


def python(*command: object, plugins: str = "") -> CompletedProcess[str]:
    """Run a command in the folder of ``parts``, as a user would."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "LIPSYNC_PLUGINS": plugins,
        "PYTHONPATH": str(REPOSITORY),
    }
    return forked.run(*command, cwd=HERE, env=environment)


@pytest.fixture
def checkpoint(noise, tmp_path) -> Path:
    """Trained for two batches by ``train.py``."""
    output = tmp_path / "run"
    done = python(
        REPOSITORY / "train.py",
        *("--config-dir", "conf", "model=plain_unet", "model.generator.channels=8"),
        *("data=folder", f"data.root={noise}", "data.workers=0", "data.batch_size=2"),
        *("trainer.batches=2", "trainer.val_every=2", f"hydra.run.dir={output}"),
    )
    assert done.returncode == 0, done.stderr
    return output / "checkpoints" / "best.ckpt"


@pytest.mark.slow
def test_it_trains_dubs_and_is_exported(checkpoint, media, tmp_path):
    dub = (*LIPSYNC, "dub", *media, "--model", checkpoint)

    unknown = python(*dub, "-o", tmp_path / "dub.mp4")
    assert unknown.returncode == 2
    assert unknown.stderr.count("\n") == 1
    assert "holds a PlainUNet" in unknown.stderr
    assert "--plugin" in unknown.stderr
    assert not (tmp_path / "dub.mp4").exists()

    done = python(*dub, "-o", tmp_path / "dub.mp4", "--plugin", "parts.generator")
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "dub.mp4").frames == 25

    exported = tmp_path / "plain.safetensors"
    done = python(*LIPSYNC, "export", checkpoint, "-o", exported, "--plugin", "parts.generator")
    assert done.returncode == 0, done.stderr
    done = python(*LIPSYNC, "doctor", exported, plugins="parts.generator")
    assert done.returncode == 0, done.stderr
    assert "PlainUNet" in done.stdout
    assert "dub" in done.stdout


def test_a_plugin_that_is_not_there_is_one_line():
    done = python(*LIPSYNC, "doctor", "--plugin", "parts.nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--plugin parts.nowhere: cannot be imported" in done.stderr


@pytest.mark.slow
def test_a_part_that_is_not_there_is_one_line(noise, tmp_path):
    done = python(
        REPOSITORY / "train.py",
        *("--config-dir", "conf", "model=plain_unet", "model.generator._target_=parts.nowhere.Net"),
        *("data=folder", f"data.root={noise}", f"hydra.run.dir={tmp_path}"),
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "model.generator._target_=parts.nowhere.Net: cannot be imported" in done.stderr


@pytest.mark.slow
def test_a_feature_is_added_to_a_set_by_its_name(make_prepared, tmp_path):
    root = make_prepared(tmp_path / "set", {"train": ["anna/1"]})
    add = ("-m", "data_prep", f"output={root}", "features=[loudness]", "workers=1")
    unknown = python(*add)
    assert unknown.returncode == 2
    assert "feature loudness: must be one of" in unknown.stderr
    assert "plugins=" in unknown.stderr
    done = python(*add, "plugins=[parts.feature]")
    assert done.returncode == 0, done.stderr
    assert (root / "anna/1/loudness.npy").is_file()
