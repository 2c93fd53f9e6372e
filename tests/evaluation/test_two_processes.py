"""The published numbers of SyncNet v2 with the metric class, in two processes."""

from pathlib import Path

import forked
import numpy as np
import pytest
import torch
from evaluation_media import crc_rng, filled_by_name, published_wave

from lipsync.evaluation import Judge
from lipsync.metrics import SyncScore
from lipsync.models import SyncNetV2

GOLDEN = Path(__file__).parents[1] / "golden"


def published_faces() -> np.ndarray:
    small = crc_rng("input:lip").uniform(0, 255, (25, 3, 28, 28)).astype(np.float32)
    return small.repeat(8, axis=2).repeat(8, axis=3).transpose(0, 2, 3, 1)


def _worker(rank: int, port: int, out) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    with torch.no_grad():
        judge = Judge(filled_by_name(SyncNetV2()))
    metric = SyncScore(judge=judge.embed)
    faces, wave = published_faces(), published_wave()
    if rank == 0:
        metric.update(faces, wave)
    else:  # another number of clips, with sound that is not the recorded one
        for late in (1, 2):
            metric.update(faces, np.roll(wave, 640 * late))
    out[rank] = {name: float(value) for name, value in metric.compute().items()}
    if rank == 1:
        alone = SyncScore(judge=judge.embed, sync_on_compute=False)
        for late in (1, 2):
            alone.update(faces, np.roll(wave, 640 * late))
        out["others"] = {name: float(value) for name, value in alone.compute().items()}
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_the_recorded_clip_and_two_others_in_two_processes():
    golden = np.load(GOLDEN / "public_syncnet_v2.npz")
    found = forked.two_ranks(_worker)
    assert found[0] == found[1]
    assert found[0]["clips"] == 3
    for name, key in (("distance", "min_dist"), ("confidence", "conf")):
        expected = (float(golden[key]) + 2 * found["others"][name]) / 3
        assert found[0][name] == pytest.approx(expected, abs=1e-4)
