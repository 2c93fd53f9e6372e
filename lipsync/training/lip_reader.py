"""Training of a lip reader, on whole clips whose words are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.optim import Optimizer

from lipsync.data.inputs import Inputs
from lipsync.errors import ClipError
from lipsync.metrics.words import WordErrorRate
from lipsync.models import LipReader
from lipsync.models.base import check_network
from lipsync.models.lip_reader import BLANK, check_eyes, look
from lipsync.training.base import Training
from lipsync.training.batches import to_float
from lipsync.training.frozen import Frozen
from lipsync.training.optim import parameter_groups
from lipsync.training.weights import architecture, start_from


class LipReaderTraining(Training):
    """Learns which words a face says (CTC), from what a frozen network sees of it.

    A clip is looked at once, and once more in a mirror; what was seen is kept in memory, 58 KB for
    75 frames.

    Args:
        reader: a :class:`lipsync.models.LipReader`.
        stretch: share by which sentences become longer or shorter at most.
        noise: added to what is seen, in deviations.
        masks: runs of frames of which nothing is seen, and the frames of the longest.
        init_from: weights to begin with: what :func:`lipsync.checkpoints.load_model` takes; None
            trains from scratch.
        options: of :class:`Training`.

    Raises:
        ConfigError: another network, or eyes that see something else than the reader.
        CheckpointError: weights of another network, or of other sizes.
    """

    def __init__(
        self,
        reader: LipReader,
        *,
        stretch: float = 0.1,
        noise: float = 0.1,
        masks: tuple[int, int] = (2, 7),
        init_from: str | Path | None = None,
        **options: Any,
    ) -> None:
        check_network("model.reader", reader, LipReader, ())
        super().__init__(loss={"ctc": 1.0}, **options)
        self.reader, self.eyes = reader, Frozen(reader.config["eyes"])
        check_eyes(self.eyes.network, reader)
        if init_from is not None:
            start_from(self.reader, init_from, "reader")
        self.stretch, self.noise, self.masks = stretch, noise, tuple(masks)
        self.word_error = WordErrorRate()
        self.kept: dict[tuple[str, bool], Tensor] = {}

    def inputs(self, evaluation: bool = False) -> Inputs:
        """What a sample holds."""
        config = self.reader.config
        return Inputs(
            image_size=config["image_size"],
            framing=config["framing"],
            lower_half=self.eyes.network.lower_half,
        )

    def seen(self, batch: dict[str, Any], mirrored: list[bool]) -> list[Tensor]:
        """(frames, seen) of each clip of a batch."""
        found = []
        for faces, length, key, mirror in zip(
            batch["faces"], batch["length"].tolist(), batch["key"], mirrored, strict=True
        ):
            if (key, mirror) not in self.kept:
                frames = to_float(faces[:length])
                self.kept[key, mirror] = look(
                    self.eyes.network, frames.flip(-1) if mirror else frames
                ).half()
            found.append(self.kept[key, mirror].float())
        return found

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        rng = self.augment_rng()
        mirrored = (torch.rand(len(batch["key"]), generator=rng, device=rng.device) < 0.5).tolist()
        seen = [self.changed(each, rng) for each in self.seen(batch, mirrored)]
        lengths = torch.tensor([len(each) for each in seen])
        words = self.labels(batch)
        loss = F.ctc_loss(
            self.reader(pad_sequence(seen, batch_first=True), lengths).transpose(0, 1),
            words,
            lengths,
            torch.full((len(words),), words.shape[1]),
            blank=BLANK,
            zero_infinity=True,
        )
        self.descend(self.optimizers(), loss, batch)
        self.step_schedules()
        self.log_training({"ctc": loss, "loss": loss}, len(seen))

    def changed(self, seen: Tensor, rng: torch.Generator) -> Tensor:
        """(T, F) at another pace, with noise, and with frames of which nothing is seen."""
        speed, *places = torch.rand(
            1 + 2 * self.masks[0], generator=rng, device=rng.device
        ).tolist()
        count = max(1, round(len(seen) * (1 + self.stretch * (2 * speed - 1))))
        seen = F.interpolate(seen.mT[None], count, mode="linear")[0].mT
        mean = seen.mean(dim=0)
        deviation = (self.reader.scale.running_var + self.reader.scale.eps).sqrt()
        chance = torch.randn(seen.shape, generator=rng, device=rng.device)
        seen = seen + self.noise * deviation * chance
        for long, place in zip(places[::2], places[1::2], strict=True):
            run = min(int(long * (self.masks[1] + 1)), count)
            first = int(place * (count - run + 1))
            seen[first : first + run] = mean
        return seen

    def labels(self, batch: dict[str, Any]) -> Tensor:
        """(B, words) numbers of the words of each sentence.

        Raises:
            ClipError: a sentence of another form.
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
        return torch.tensor(found, device=self.device)

    def evaluate(self, batch: dict[str, Any]) -> None:
        for seen, text in zip(
            self.seen(batch, [False] * len(batch["key"])), batch["text"], strict=True
        ):
            self.word_error.update([self.reader.read(seen)], [text])

    def finish(self, stage: str) -> dict[str, float]:
        error = float(self.word_error.compute())
        self.word_error.reset()
        return {f"{stage}/word_error": error}

    def make_optimizers(self) -> list[Optimizer]:
        return [self.make_optimizer(parameter_groups(self))]

    def about(self) -> dict[str, Any]:
        return architecture(self.reader, "reader.") | {"frozen": {"eyes": [self.eyes.sha256]}}
