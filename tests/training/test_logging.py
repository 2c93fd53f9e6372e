"""Visual output of training: image sheets, and videos with sound, also in the loggers."""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_run import ENVIRONMENT, REPOSITORY, tiny, train

from lipsync.media import probe
from lipsync.training.run import show_test

GENERATOR = ["size.generator.width=0.1", "size.generator.depth=0", "size.discriminator.width=0.1"]
SHORT = ["model=wav2lip", "trainer.batches=2", "trainer.val_every=2", "data.batch_size=2"]


@pytest.mark.slow
def test_tensorboard_shows_sheets_and_plays_videos(prepared, tmp_path):
    done = train(*tiny(prepared, tmp_path), *GENERATOR, *SHORT)
    assert done.returncode == 0, done.stderr
    video = probe(tmp_path / "pictures" / "video-0000002.mp4")
    assert (video.width, video.height, video.frames) == (192, 96, 30)
    assert video.audio_seconds == pytest.approx(1.2, abs=0.05)
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    tags = events.Reload().Tags()
    assert {"sheet", "video"} <= set(tags["images"])
    assert events.Images("video")[0].encoded_image_string.startswith(b"GIF89a")
    assert tags["audio"] == ["video"]


@pytest.mark.slow
def test_wandb_keeps_them_offline(prepared, tmp_path):
    wandb = ["logger=wandb", "logger.wandb.offline=true"]
    done = train(*tiny(prepared, tmp_path), *GENERATOR, *SHORT, *wandb)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    assert list(run.glob("files/media/images/sheet_*.png"))
    assert list(run.glob("files/media/videos/video_*.mp4"))


def records_of(path: Path) -> Iterator[bytes]:
    """The records of a file of wandb: LevelDB's log format behind a header of seven bytes."""
    data, place, record = path.read_bytes(), 7, b""
    while place < len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left  # the end of a block
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or its last part
            yield record
            record = b""


def wandb_runs(folder: Path) -> list[dict]:
    """Id, name, group and exit code of wandb's offline runs, in order of their folders."""
    from wandb.proto.wandb_internal_pb2 import Record

    runs = []
    for path in sorted(folder.glob("**/offline-run-*/run-*.wandb")):
        kept = {}
        for record in map(Record.FromString, records_of(path)):
            if record.HasField("run"):
                run = record.run
                kept |= {"id": run.run_id, "name": run.display_name, "group": run.run_group}
            elif record.HasField("exit"):
                kept["exit"] = record.exit.exit_code
        runs.append(kept)
    return runs


@pytest.mark.slow
def test_every_point_of_a_sweep_is_a_wandb_run(prepared, tmp_path):
    wandb = ["logger=wandb", "logger.wandb.offline=true", "name=named"]
    options = ["model=syncnet", "data.batch_size=2", "trainer.batches=2", *wandb]
    swept = [f"hydra.sweep.dir={tmp_path}", "data.train.windows=6,1,8"]
    done = train("-m", *tiny(prepared, tmp_path), *options, *swept)
    assert done.returncode == 2
    runs = wandb_runs(tmp_path)
    assert len({run["id"] for run in runs}) == 3
    assert [run["name"] for run in runs] == ["named-0", "named-1", "named-2"]
    assert {run["group"] for run in runs} == {tmp_path.name}
    assert [run["exit"] for run in runs] == [0, 1, 0]


@pytest.mark.slow
def test_a_resumed_run_is_the_same_at_wandb_and_a_new_one_is_not(prepared, tmp_path):
    wandb = ["logger=wandb", "logger.wandb.offline=true", "name=named"]
    options = [*tiny(prepared, tmp_path), "model=syncnet", "data.batch_size=2", *wandb]
    options += ["trainer.val_every=2", "callbacks.pictures=null"]
    for more in (["trainer.batches=2"], ["trainer.batches=4", "ckpt_path=last"], []):
        time.sleep(1.1)  # wandb's folder names have a resolution of a second
        done = train(*options, *(more or ["trainer.batches=2"]))
        assert done.returncode == 0, done.stderr
    first, second = wandb_runs(tmp_path / "earlier-1")
    (third,) = wandb_runs(tmp_path / "wandb")
    assert first == second
    assert first["id"] != third["id"]


@pytest.mark.slow
def test_wandb_is_left_alone_where_it_is_not_chosen(prepared, tmp_path):
    options = [*tiny(prepared, tmp_path), "model=syncnet", "data.batch_size=2"]
    (tmp_path / "wandb.py").write_text("raise SystemExit('wandb was imported')")
    own = ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    done = train(*options, "trainer.batches=2", f"hydra.run.dir={tmp_path / 'run'}", env=own)
    assert done.returncode == 0, done.stderr


def test_numbers_of_the_test_stand_beside_those_before_training(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "test.json").write_text('{"test/l1": 0.25, "test/new": 1.0}')
    show_test(tmp_path / "test.json", tmp_path / "none.json")
    assert "untrained" not in caplog.text
    (tmp_path / "before.json").write_text('{"test/l1": 0.5}')
    show_test(tmp_path / "test.json", tmp_path / "before.json")
    header, l1, new = (record.getMessage().split() for record in caplog.records[-3:])
    assert header[-2:] == ["trained", "untrained"]
    assert l1 == ["test/l1", "0.2500", "0.5000"]
    assert new == ["test/new", "1.0000"]
