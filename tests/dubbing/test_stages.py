"""Pipeline stages overlap, keep order, are bounded, and end together."""

import threading
import time
import weakref

import numpy as np
import pytest
from dubbing_media import FixedDetector, frame, make_video
from standins import Hearing

from lipsync.dubbing import dub_frames, faces, follow, pipeline, render
from lipsync.dubbing.source import Source
from lipsync.dubbing.stages import Stages
from lipsync.media import write_audio


def slow(items, seconds=0.02):
    for item in items:
        time.sleep(seconds)
        yield item + 1


def test_stages_overlap_and_keep_their_order():
    with Stages() as stages:
        first = stages.add("first", lambda _: iter(range(20)))
        second = stages.add("second", slow, first)
        third = stages.add("third", slow, second)
        start = time.perf_counter()
        assert list(third) == list(range(2, 22))
        taken = time.perf_counter() - start
    assert stages.seconds["second"] > 0.35
    assert stages.seconds["third"] > 0.35
    assert taken < 0.9 * (stages.seconds["second"] + stages.seconds["third"])
    assert stages.seconds["first"] < 0.2  # waiting does not count
    alone = Stages(overlap=False)
    assert list(alone.add("second", slow, iter(range(3)))) == [1, 2, 3]
    assert alone.seconds["second"] > 0.05


def test_a_fast_stage_waits_for_a_slow_one():
    made = []

    def count(_):
        for k in range(1000):
            made.append(k)
            yield k

    with Stages() as stages:
        items = stages.add("fast", count, room=3)
        assert next(items) == 0
        time.sleep(0.15)
        assert len(made) <= 6


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_reaches_the_reader_and_all_threads_end(error):
    before = threading.active_count()

    def failing(items):
        for item in items:
            if item == 3:
                raise error("no")
            yield item

    def read():
        with Stages() as stages:
            endless = stages.add("endless", lambda _: iter(int, 1))
            numbered = stages.add(
                "numbered", lambda items: (k for k, _ in enumerate(items)), endless
            )
            yield from stages.add("failing", failing, numbered)

    got = []
    with pytest.raises(error):
        got.extend(read())
    items = read()
    assert [next(items), next(items)] == [0, 1]
    items.close()
    assert threading.active_count() == before


def test_few_frames_wait_where_pictures_are_large(tmp_path, monkeypatch):
    """Budgets as for 4K: few of 60 frames are held at once, the first no longer than the others."""
    share = frame(0).nbytes / (3840 * 2160 * 3)
    budgets = (follow, "_HELD_BYTES"), (faces, "_HELD_BYTES"), (render, "_BATCH_BYTES")
    for module, name in budgets:
        monkeypatch.setattr(module, name, int(getattr(module, name) * share))
    monkeypatch.setattr(pipeline, "_LARGE", 0)
    decoded, read = [], Source.frames

    def frames(source):
        for when, picture in read(source):
            decoded.append(weakref.ref(picture))
            yield when, picture

    monkeypatch.setattr(Source, "frames", frames)
    video = make_video(tmp_path / "long.mp4", 60)
    write_audio(tmp_path / "long.wav", np.full(60 * 640, 0.1, np.float32))
    options = {"model": Hearing(), "detector": FixedDetector()}
    for made in dub_frames(video, tmp_path / "long.wav", **options):
        held = [number for number, picture in enumerate(decoded) if picture() is not None]
        assert len(held) <= 28
        assert made.number < 8 or held[0] > 0
    assert len(decoded) == 60
