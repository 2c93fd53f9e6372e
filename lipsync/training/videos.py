"""Short videos with sound, logged while a generator trains."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from lipsync.audio import SAMPLE_RATE
from lipsync.media import VideoWriter
from lipsync.training.callbacks import Pictures, batches_seen
from lipsync.windows import FPS


class ClipVideo(Pictures):
    """Video of the first validation clip after every validation: true left, generated right.

    Written to ``path`` as an mp4 with the clip's audio. wandb logs the video; TensorBoard logs an
    animation and, separately, the audio.

    Args:
        path: folder of the videos.
        seconds: maximum length.
    """

    def __init__(self, path: str | Path, seconds: float = 3.0) -> None:
        super().__init__(path)
        self.frames = round(seconds * FPS)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.state.fn != "fit":
            return
        dataset = trainer.datamodule.val
        clip = dataset.clip(dataset.keys[0])
        frames = min(self.frames, len(clip))
        with trainer.precision_plugin.val_step_context():
            painted = pl_module.paint_clip(clip, frames)
        pixels = painted.clamp(0, 1).mul(255).round().to(torch.uint8)
        pixels = pixels.permute(0, 2, 3, 1).cpu().numpy()
        video = np.concatenate([clip.read(range(frames)), pixels], axis=2)  # (n, S, 2 S, 3)
        wave = clip.wave[: frames * SAMPLE_RATE // FPS]

        batch = batches_seen(trainer)
        self.path.mkdir(parents=True, exist_ok=True)
        target = self.path / f"video-{batch:07d}.mp4"
        with VideoWriter(target, FPS, video.shape[2:0:-1], audio=wave) as writer:
            for frame in video:
                writer.write(frame)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                _add_animation(logger, "video", video, batch)
                logger.experiment.add_audio("video", wave, batch, SAMPLE_RATE)
            elif isinstance(logger, WandbLogger):
                logger.log_video("video", [str(target)], step=batch, format=["mp4"])


def _add_animation(logger: TensorBoardLogger, tag: str, video: np.ndarray, step: int) -> None:
    """Log an animated GIF as an image, as TensorBoard's add_video needs moviepy."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    first, *others = (Image.fromarray(frame) for frame in video)
    file = io.BytesIO()
    duration = 1000 // FPS
    first.save(file, "GIF", save_all=True, append_images=others, duration=duration, loop=0)
    picture = Summary.Image(
        height=video.shape[1],
        width=video.shape[2],
        colorspace=3,
        encoded_image_string=file.getvalue(),
    )
    summary = Summary(value=[Summary.Value(tag=tag, image=picture)])
    logger.experiment._get_file_writer().add_summary(summary, step)
