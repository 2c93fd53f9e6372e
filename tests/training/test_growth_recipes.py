"""The recipes for larger images run: two batches each, each starting from the one before."""

import numpy as np
import pytest
import torch
from test_run import train

from lipsync.checkpoints import load_model
from lipsync.data.store import write_clip, write_split

SHORT = [
    "data.workers=0", "data.batch_size=2", "data.evaluation.windows=1", "data.eval_batch_size=1",
    "trainer.batches=2", "trainer.val_every=2", "trainer.gpus=0", "test=false",
    "callbacks.progress=null", "callbacks.pictures=null", "callbacks.video=null",
]  # fmt: skip


def write_set(root, size: int) -> None:
    rng = np.random.default_rng(size)
    for number in range(3):
        faces = rng.integers(0, 256, (30, size, size, 3), dtype=np.uint8)
        wave = (0.1 * rng.standard_normal(30 * 640)).astype(np.float32)
        key = f"anna/{number}"
        write_clip(root, key, faces=faces, wave=wave, info={"framing": "aligned_jaw"})
        write_split(root, ("train", "val", "test")[number], [key])


@pytest.mark.slow
@pytest.mark.parametrize("device", ["", "_gpu"])
def test_from_128_to_192_to_256(tmp_path, device):
    """A frame of each of two clips, or a window of five of one."""
    options = [*SHORT, "data.batch_size=1"] if device else SHORT
    before, sides = "lipscode-open", [128]
    for size in (192, 256):
        write_set(tmp_path / str(size), size)
        run = tmp_path / f"run-{size}"
        done = train(
            f"experiment=open_lipscode_{size}{device}", f"data.root={tmp_path / str(size)}",
            f"hydra.run.dir={run}", f"model.init_from={before}", *options,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "outer stages new" in done.stderr + done.stdout
        old, before = before, run / "checkpoints" / "last.ckpt"
        network = load_model(before)
        assert network.config["image_size"] == size
        assert network.config["grown_from"] == sides
        sides = [*sides, size]
        for name, value in load_model(old).audio_encoder.state_dict().items():
            assert torch.equal(network.audio_encoder.state_dict()[name], value), name
