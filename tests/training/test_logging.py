"""What a training leaves to look at: sheets, and videos with sound, also in the loggers."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_run import tiny, train

from lipsync.media import probe

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
