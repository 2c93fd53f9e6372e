"""What a lip reader reads from a video, set against what is said in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from lipsync.checkpoints import fingerprint, load_model
from lipsync.checkpoints.origin import trained_with
from lipsync.devices import to_device
from lipsync.errors import CheckpointError, ConfigError
from lipsync.evaluation.judge import Judge
from lipsync.metrics.words import word_errors
from lipsync.models import LipReader
from lipsync.models.lip_reader import check_eyes, look

_LONGEST = 750  # frames: sentences of a fixed form are short


class Reading:
    """A lip reader with the network that looks for it.

    Args:
        name: the path or name of a :class:`lipsync.models.LipReader`.
        device: where both run.

    Attributes:
        sha256: of both networks' weights.

    Raises:
        CheckpointError: a file that holds no lip reader, or eyes other than it was trained with.
        ConfigError: a device that is not there, or eyes that see other faces.
    """

    def __init__(self, name: str | Path, device: str = "cpu") -> None:
        network = load_model(name)
        if not isinstance(network, LipReader):
            raise CheckpointError(name, f"holds a {type(network).__name__}, not a lip reader")
        eyes = check_eyes(load_model(network.config["eyes"]), network)
        known = (trained_with(network) or {}).get("eyes", [])
        if known and fingerprint(eyes) not in known:
            raise CheckpointError(name, f"was trained with a different {network.config['eyes']}")
        self.name = str(name)
        self.network, self.eyes = to_device(network, device), to_device(eyes, device)
        self.device = next(eyes.parameters()).device
        self.sha256 = f"{fingerprint(network)} {fingerprint(eyes)}"

    def check(self, judge: Judge) -> None:
        """Refuse a judge that is shown other crops, which are cut out once for both.

        Raises:
            ConfigError: says which are needed.
        """
        config = self.network.config
        wanted, shown = (
            (config["framing"], config["image_size"]),
            (judge.framing.name, judge.face_size),
        )
        if wanted != shown:
            raise ConfigError(
                f"reader {self.name} sees crops of {wanted[0]}, {wanted[1]} px, the judge "
                f"{judge.name} of {shown[0]}, {shown[1]} px; score with --judge "
                f"{self.network.config['eyes']}"
            )

    def check_text(self, text: str) -> None:
        """Refuse a sentence that it could never read.

        Raises:
            ConfigError: names the words.
        """
        words = text.split()
        slots = self.network.slots
        if len(words) != len(slots) or any(w not in s for w, s in zip(words, slots, strict=True)):
            form = " ".join(slot[0] for slot in slots)
            raise ConfigError(
                f"'{text}' is not a sentence that {self.name} can read; the form is '{form}'"
            )

    def error(self, faces: Iterable[np.ndarray], *texts: str) -> list[float]:
        """Word errors of what is read, as a share of the words of each text.

        Args:
            faces: crops uint8 (S, S, 3) RGB at 25 fps.
            texts: what may be said.

        Returns:
            One number a text; none where there are too few frames, or far too many.
        """
        frames = list(faces)
        if not len(self.network.slots) <= len(frames) <= _LONGEST:
            return []
        whole = torch.from_numpy(np.stack(frames)).to(self.device).permute(0, 3, 1, 2) / 255
        rows = whole.shape[2] // 2 if self.eyes.lower_half else 0
        read = self.network.read(look(self.eyes, whole[:, :, rows:]))
        return [word_errors(read, text.split()) / len(text.split()) for text in texts]
