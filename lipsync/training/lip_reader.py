"""Training of a lip reader on whole clips with transcripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchmetrics.text import WordErrorRate

from lipsync.data.inputs import Inputs
from lipsync.errors import ClipError
from lipsync.models import LipReader
from lipsync.models.base import check_network
from lipsync.models.lip_reader import BLANK
from lipsync.training.base import Training, compute_and_reset
from lipsync.training.batches import to_float
from lipsync.training.weights import architecture, start_from


class LipReaderTraining(Training):
    """Train a lip reader with CTC on words and on their sounds.

    Args:
        reader: a :class:`lipsync.models.LipReader`.
        loss: weights of ``words`` and ``sounds``.
        stretch: maximum relative change of speed.
        jumps: fraction of frames that are dropped or repeated.
        masks: number of masked runs of frames, and the maximum length of each.
        init_from: initial weights, as for :func:`lipsync.checkpoints.load_model`; None trains from
            scratch.
        options: see :class:`Training`.

    Raises:
        ConfigError: not a lip reader.
        CheckpointError: weights of another network, or of other sizes.
    """

    def __init__(
        self,
        reader: LipReader,
        *,
        loss: dict[str, float],
        stretch: float = 0.15,
        jumps: float = 0.1,
        masks: tuple[int, int] = (2, 8),
        init_from: str | Path | None = None,
        **options: Any,
    ) -> None:
        check_network("model.reader", reader, LipReader, ("image_size", "framing"))
        super().__init__(loss=loss, **options)
        self.reader = reader
        if init_from is not None:
            start_from(self.reader, init_from, "reader")
        self.stretch, self.jumps, self.masks = stretch, jumps, tuple(masks)
        self.word_error = WordErrorRate()

    def inputs(self, evaluation: bool = False) -> Inputs:
        """Contents of a sample."""
        config = self.reader.config
        return Inputs(
            image_size=config["image_size"],
            framing=config["framing"],
            lower_half=self.reader.lower_half,
        )

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        word_labels = self.word_labels(batch)
        words, sounds = self.reader(self.augment_clips(batch["faces"], batch["length"]))
        values = {
            "words": self.ctc(words, word_labels),
            "sounds": self.ctc(sounds, self.sound_labels(word_labels)),
        }
        loss = sum(self.loss_weights[name] * value for name, value in values.items())
        self.descend(self.optimizers(), loss, batch)
        self.step_schedules()
        self.log_training(values | {"loss": loss}, len(word_labels))

    def augment_clips(self, faces: Tensor, lengths: Tensor) -> Tensor:
        """Augment clips: change their speed and appearance, and mask runs of frames.

        Args:
            faces: uint8 (B, T, rows, S, 3), padded by repeating the last frame.
            lengths: (B,) frames of each clip without padding.

        Returns:
            (B, T', 3, rows, S) in [0, 1], with T' > T to make room for slowed-down sentences.
        """
        rng = self.augment_rng()

        def chance(*shape: int) -> Tensor:
            return torch.rand(shape, generator=rng, device=rng.device)

        clips, count = len(faces), round(faces.shape[1] * (1 + self.stretch))
        pace = (1 + self.stretch) ** (2 * chance(clips, 1) - 1)
        drawn = chance(clips, count)
        jumps = (drawn < self.jumps / 2).float() - (drawn > 1 - self.jumps / 2).float()
        places = ((1 + jumps) * pace).cumsum(dim=1) - pace * (1 + jumps[:, :1])
        last = lengths.to(places)[:, None] - 1
        spare = (count - last / pace).clamp_min(0)  # frames of padding, split before and after
        places = (places - chance(clips, 1) * spare * pace).round()
        places = torch.minimum(places.clamp_min(0), last).long()
        augmented = to_float(faces[torch.arange(clips, device=faces.device)[:, None], places])
        if self.augment is not None:
            augmented = self.augment.faces(augmented, self.batches_done, rng)
        times, hidden = torch.arange(count, device=rng.device), torch.zeros_like(drawn).bool()
        for _ in range(self.masks[0]):
            long = (chance(clips, 1) * (self.masks[1] + 1)).floor()
            first = (chance(clips, 1) * (count - long + 1)).floor()
            hidden |= (times >= first) & (times < first + long)
        return torch.where(
            hidden[..., None, None, None], augmented.mean(1, keepdim=True), augmented
        )

    def ctc(self, scores: Tensor, targets: list[list[int]]) -> Tensor:
        """CTC loss of log probabilities (B, T, 1 + n), averaged per label."""
        lengths = torch.tensor([len(each) for each in targets])
        padded = pad_sequence([torch.tensor(each) for each in targets], batch_first=True)
        return F.ctc_loss(
            scores.transpose(0, 1),
            padded.to(scores.device),
            torch.full((len(targets),), scores.shape[1]),
            lengths,
            blank=BLANK,
            zero_infinity=True,
        )

    def word_labels(self, batch: dict[str, Any]) -> list[list[int]]:
        """Word labels of each sentence.

        Raises:
            ClipError: a sentence that does not fit the slots.
        """
        numbers = {word: number for number, word in enumerate(self.reader.words, start=1)}
        found = []
        for key, text in zip(batch["key"], batch["text"], strict=True):
            words = text.split()
            fits = len(words) == len(self.reader.slots) and all(
                word in slot for word, slot in zip(words, self.reader.slots, strict=False)
            )
            if not fits:
                raise ClipError(
                    key, f"says '{text}', which is not a sentence that the reader knows"
                )
            found.append([numbers[word] for word in words])
        return found

    def sound_labels(self, labels: list[list[int]]) -> list[list[int]]:
        """Sound labels of each sentence, from its word labels."""
        reader = self.reader
        numbers = {sound: number for number, sound in enumerate(reader.sounds, start=1)}
        return [
            [numbers[sound] for word in words for sound in reader.spelling[reader.words[word - 1]]]
            for words in labels
        ]

    def evaluate(self, batch: dict[str, Any]) -> None:
        for faces, length, text in zip(
            batch["faces"], batch["length"].tolist(), batch["text"], strict=True
        ):
            read = " ".join(self.reader.read(to_float(faces[:length])))
            self.word_error.update([read], [text])

    def finish(self, stage: str) -> dict[str, float]:
        return {f"{stage}/word_error": compute_and_reset(self.word_error)}

    def about(self) -> dict[str, Any]:
        return architecture(self.reader, "reader.")
