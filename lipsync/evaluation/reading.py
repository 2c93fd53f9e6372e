"""Word error of a lip reader on a video, against its transcript."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torchmetrics.functional.text import word_error_rate

from lipsync.checkpoints import fingerprint, load_model
from lipsync.devices import to_device
from lipsync.errors import CheckpointError, ConfigError
from lipsync.faces.framing import get_framing
from lipsync.models import LipReader

_LONGEST = 750  # frames; sentences of a fixed grammar are short


class Reading:
    """A lip reader.

    Args:
        name: the path or name of a :class:`lipsync.models.LipReader`.
        device: where it runs.

    Attributes:
        framing: framing of its crops.
        size: side of its crops, pixels.
        sha256: of its weights.

    Raises:
        CheckpointError: a file that holds no lip reader.
        ConfigError: an unavailable device.
    """

    def __init__(self, name: str | Path, device: str = "cpu") -> None:
        network = load_model(name)
        if not isinstance(network, LipReader):
            raise CheckpointError(name, f"holds a {type(network).__name__}, not a lip reader")
        self.name, self.network = str(name), to_device(network, device)
        self.device = next(network.parameters()).device
        self.framing = get_framing(network.config["framing"])
        self.size = network.config["image_size"]
        self.sha256 = fingerprint(network)

    def check_text(self, text: str) -> None:
        """Refuse a sentence outside its grammar.

        Raises:
            ConfigError: names the sentence and the expected form.
        """
        words = text.split()
        slots = self.network.slots
        if len(words) != len(slots) or any(w not in s for w, s in zip(words, slots, strict=True)):
            form = " ".join(slot[0] for slot in slots)
            raise ConfigError(
                f"'{text}' is not a sentence that {self.name} can read; the form is '{form}'"
            )

    def error(self, faces: Iterable[np.ndarray], *texts: str) -> list[float]:
        """Word error rate of the reading against each text.

        Args:
            faces: crops uint8 (S, S, 3) RGB at 25 fps.
            texts: candidate transcripts.

        Returns:
            One number per text; empty if there are too few frames, or far too many.
        """
        frames = [face[self.size // 2 :] for face in faces]
        if not len(self.network.slots) <= len(frames) <= _LONGEST:
            return []
        pixels = torch.from_numpy(np.stack(frames)).to(self.device).permute(0, 3, 1, 2) / 255
        read = " ".join(self.network.read(pixels))
        return [float(word_error_rate(read, text)) for text in texts]
