"""Encoders do not change the scheduling of the process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from lipsync.media import VideoWriter

THREADS = Path("/proc/self/task")


@pytest.mark.skipif(sys.platform != "linux", reason="scheduling is Linux's")
@pytest.mark.skipif(os.geteuid() != 0, reason="SVT-AV1 asks for it as root alone")
def test_av1_is_not_encoded_in_real_time(tmp_path):
    with VideoWriter(tmp_path / "a.mkv", 25, (64, 64), codec="av1") as writer:
        for _ in range(3):
            writer.write(np.zeros((64, 64, 3), np.uint8))
            policies = {os.sched_getscheduler(int(t.name)) for t in THREADS.iterdir()}
            assert policies == {os.SCHED_OTHER}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
