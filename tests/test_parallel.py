"""Threaded work keeps its order."""

import threading
import time

from lipsync.parallel import in_parallel


def test_parallel_work_is_given_in_order():
    started = threading.Barrier(2, timeout=5)

    def work(k):
        if k < 2:
            started.wait()  # two at a time, or this fails
        time.sleep(0.02 if k % 2 else 0.0)
        return 10 * k

    names = []
    found = list(in_parallel(range(7), work, 2, lambda: names.append(1)))
    assert found == [0, 10, 20, 30, 40, 50, 60]
    assert len(names) == 2
