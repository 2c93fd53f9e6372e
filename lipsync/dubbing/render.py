"""Run the generator over a stream of frames: crop, batch, generate, paste back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice

import numpy as np
import torch
from torch import nn

from lipsync.dubbing.blend import paste
from lipsync.faces.crops import crop
from lipsync.windows import MEL_STEP, PUBLISHED_INFERENCE_LEAD, mel_start, mel_window


class Lips:
    """A generator together with the sound that it speaks.

    Args:
        model: called with mel (B, 1, 80, 16) and faces (B, 6, S, S), masked target then reference;
            returns (B, 3, S, S) in [0, 1]. ``config["image_size"]`` is S, ``config["mel_lead"]``
            how many frames before a frame its mel window begins (0 where it is not said).
        mel: (80, columns) of the whole sound.
        fps: frames a second of the video that is made.
    """

    def __init__(self, model: nn.Module, mel: np.ndarray, fps: Fraction | float) -> None:
        self.model, self.mel, self.fps = model.eval(), mel, float(fps)
        self.size = int(model.config["image_size"])
        self.lead = int(model.config.get("mel_lead", PUBLISHED_INFERENCE_LEAD))
        parameter = next(model.parameters(), None)
        self.device = parameter.device if parameter is not None else torch.device("cpu")

    def window(self, frame: int) -> np.ndarray:
        """(80, 16): the sound that belongs to a frame of the video that is made.

        At the end of the sound published inference hears the last 16 columns once more, and so do
        models with its lead; others hear silence there, as in training.
        """
        start = mel_start(frame, self.fps, self.lead)
        if self.lead == PUBLISHED_INFERENCE_LEAD:
            start = min(start, self.mel.shape[1] - MEL_STEP)
        return mel_window(self.mel, start)

    @torch.inference_mode()
    def generate(self, numbers: list[int], crops: list[np.ndarray]) -> np.ndarray:
        """Faces that speak.

        Args:
            numbers: n frame numbers of the video that is made.
            crops: n uint8 (S, S, 3) RGB, the faces in those frames.

        Returns:
            float32 (n, S, S, 3) RGB in [0, 1].
        """
        mel = torch.from_numpy(np.stack([self.window(number) for number in numbers])[:, None])
        pixels = torch.from_numpy(np.stack(crops)).to(self.device)
        reference = pixels.permute(0, 3, 1, 2).float() / 255  # (n, S, S, 3) -> (n, 3, S, S)
        target = reference.clone()
        target[..., self.size // 2 :, :] = 0  # the half that is to be filled in
        made = self.model(mel.to(self.device), torch.cat([target, reference], dim=1))
        return made.permute(0, 2, 3, 1).float().cpu().numpy()


def render(
    frames: Iterable[tuple[int, np.ndarray]], boxes: np.ndarray, lips: Lips, batch_size: int
) -> Iterator[np.ndarray]:
    """Dub a stream of frames; at most ``batch_size`` of them are held.

    Args:
        frames: (index, frame) pairs in the order of the video that is made; ``index`` is a row of
            ``boxes``, ``frame`` uint8 (H, W, 3) RGB.
        boxes: (n, 4) boxes of the face; a row of NaN leaves its frame as it is.

    Yields:
        uint8 (H, W, 3), one for each frame that comes in.
    """
    numbered = enumerate(frames)
    while lot := list(islice(numbered, batch_size)):
        out = [frame for _, (_, frame) in lot]
        spoken = [i for i, (_, (index, _)) in enumerate(lot) if not np.isnan(boxes[index]).any()]
        if spoken:
            where = [boxes[lot[i][1][0]] for i in spoken]
            crops = [crop(out[i], box, lips.size) for i, box in zip(spoken, where, strict=True)]
            made = lips.generate([lot[i][0] for i in spoken], crops)
            for i, face, box in zip(spoken, made, where, strict=True):
                out[i] = paste(out[i], face, box)
        yield from out
