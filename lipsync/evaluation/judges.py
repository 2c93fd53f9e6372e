"""The judges there are: lip-sync experts on mel windows, and SyncNet v2 of LSE-D and LSE-C."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.signal import medfilt
from torch import Tensor, nn

from lipsync.audio import HOP_LENGTH, SAMPLE_RATE, melspectrogram, mfcc
from lipsync.devices import to_device
from lipsync.errors import ConfigError
from lipsync.evaluation.judge import Judge
from lipsync.faces.crops import steady_box
from lipsync.metrics.functional import VSHIFT, SyncResult
from lipsync.models import SyncNet, SyncNetV2
from lipsync.models.folding import folded
from lipsync.windows import FPS, MEL_STEP, T, count_windows, lower_half, mel_start, mel_window


class ExpertJudge(Judge):
    """A lip-sync expert (:class:`lipsync.models.SyncNet`): lower halves and 16 mel columns."""

    protocol = "expert-1: one steady box, lower half, 16 mel columns at the window's first frame"

    _margin = 4  # mel columns computed beyond a portion; one hears 2.5 columns to either side

    def __init__(self, model: SyncNet, name: str = "", batch_size: int = 64) -> None:
        super().__init__(model, name, batch_size)
        self.face_size = model.config["image_size"]

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        return _steady_boxes(boxes)

    def count(self, frames: int, samples: int) -> int:
        return count_windows(frames, 1 + samples // 200) if samples else 0

    def _face_windows(self, faces: Tensor) -> Tensor:
        halves = lower_half(faces.permute(0, 3, 1, 2)).float() / 255  # (k + 4, 3, S/2, S)
        windows = halves.unfold(0, T, 1).permute(0, 2, 3, 4, 1)  # (k, S/2, S, 5, 3)
        return windows.flatten(3).permute(0, 3, 1, 2)  # (k, 15, S/2, S), channels last in memory

    def _sound_windows(self, wave: np.ndarray, start: int, count: int) -> np.ndarray:
        starts = np.array([mel_start(window) for window in range(start, start + count)])
        first = max(0, int(starts[0]) - self._margin)
        last = int(starts[-1]) + MEL_STEP + self._margin
        mel = melspectrogram(wave[first * HOP_LENGTH : last * HOP_LENGTH])
        return np.stack([mel_window(mel, int(s) - first) for s in starts])[:, None]


class SyncNetV2Judge(Judge):
    """The published judge of LSE-D and LSE-C: whole faces at 224 px and 20 MFCC frames.

    A network of another size or framing (see :class:`lipsync.models.SyncNetV2`) is shown faces of
    that size and framing, and the protocol's text says so.
    """

    _margin = 0.4  # share of the box added around it, as published
    _taps = 13  # median filter over the positions of the box, as published

    def __init__(self, model: SyncNetV2, name: str = "", batch_size: int = 4) -> None:
        super().__init__(model, name, batch_size)
        self.face_size = model.config["image_size"]
        self._steady = model.config["framing"] == "steady"
        frame = "one steady box" if self._steady else "box x 1.4 following the face"
        self.protocol = (
            f"syncnet_v2-1: {frame}, {self.face_size} px, 20 MFCC frames, last window out"
        )

    @property
    def published(self) -> bool:
        """Whether the network has the published size and framing, and so may be the published."""
        config = self.model.config
        return config["image_size"] == 224 and config["framing"] == "published"

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        if self._steady:
            return _steady_boxes(boxes)
        half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        taps = self._taps // 2
        half, x, y = (
            medfilt(np.pad(values, taps, mode="edge"), self._taps)[taps:-taps]
            for values in (half, *middle.T)
        )
        wide = half * (1 + self._margin)
        # The margin is below and at the sides; the top stays at the box's.
        return np.stack([x - wide, y - half, x + wide, y - half + 2 * wide], axis=1)

    def count(self, frames: int, samples: int) -> int:
        return max(0, min(frames, samples // (SAMPLE_RATE // FPS)) - T)

    def _face_windows(self, faces: Tensor) -> Tensor:
        windows = faces.float().unfold(0, T, 1)  # (k, S, S, 3, 5) in [0, 255]
        # (k, 3, 5, S, S), colour and time last in memory, as the folded network takes them
        return windows.flatten(3).permute(0, 3, 1, 2).unflatten(1, (3, T))

    def _sound_windows(self, wave: np.ndarray, start: int, count: int) -> np.ndarray:
        first = max(0, 4 * start - 1)  # four rows a video frame, and one for the pre-emphasis
        last = 4 * (start + count - 1) + 20
        rows = mfcc(wave[160 * first : 160 * last + 240]).T  # (13, rows)
        starts = 4 * np.arange(start, start + count) - first
        return np.stack([rows[:, s : s + 20] for s in starts])[:, None]


def _steady_boxes(boxes: np.ndarray) -> np.ndarray:
    """The square of prepared clips for every frame: (n, 4) -> (n, 4)."""
    return np.repeat(np.asarray(steady_box(boxes), float)[None], len(boxes), axis=0)


KINDS: dict[type[nn.Module], type[Judge]] = {SyncNet: ExpertJudge, SyncNetV2: SyncNetV2Judge}


def as_judge(model: Judge | nn.Module | str, device: str = "cpu") -> Judge:
    """A judge from a network, or from the path or name of one.

    Raises:
        CheckpointError: a path or name that cannot be loaded.
        ConfigError: a network that is no judge, or a device that is not there.
    """
    if isinstance(model, Judge):
        return model
    name = ""
    if not isinstance(model, nn.Module):
        from lipsync.checkpoints import load_model

        name = str(model)
        model = to_device(load_model(model), device)
    for network, kind in KINDS.items():
        if isinstance(model, network):
            judge = kind(model, name)
            if name:  # nobody else holds it, to train it further
                judge.network = folded(model)
            return judge
    raise ConfigError(
        f"judge {name or 'given'} is a {type(model).__name__}; a SyncNet expert or SyncNetV2 judges"
    )


def embed_clip(
    faces: Iterable[np.ndarray], wave: np.ndarray, judge: Judge | nn.Module | str
) -> tuple[Tensor, Tensor]:
    """(video_emb, audio_emb) of a clip; see :meth:`Judge.embed` for arguments and errors."""
    return as_judge(judge).embed(faces, wave)


def score_clip(
    faces: Iterable[np.ndarray],
    wave: np.ndarray,
    judge: Judge | nn.Module | str,
    vshift: int = VSHIFT,
) -> SyncResult:
    """Distance, confidence and offset of a clip of face crops and its sound.

    Args:
        faces: n crops, uint8 (S, S, 3) RGB at 25 fps, framed as the judge's training was.
        wave: float32 (samples,) at 16 kHz that begins with the first frame.
        judge: a network, a judge, or the path or name of one.
        vshift: candidate offsets on either side, in frames.

    Raises:
        ValueError: frames or sound too short for one window.
    """
    return as_judge(judge).score(faces, [wave], vshift)[0].result
