"""A lip reader: which words a face says, in sentences of one form (CTC, Graves et al. 2006).

It reads what a judge that stays as it is sees around each frame, so that it is as independent of
every training loss as that judge, and no gradient leads from what it reads to a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.base import Network
from lipsync.models.long_syncnet import LongSyncNet

BLANK = 0


class LipReader(Network):
    """Words of a sentence from what is seen around each of its frames.

    A sentence has one word of each *slot*, in order, as those of the GRID corpus have. What is seen
    is taken less its mean over the clip, which is what a face looks like whatever it says.

    Args:
        slots: the words that may stand at each place of a sentence.
        eyes: name of the :class:`lipsync.models.LongSyncNet` that looks, see :func:`look`.
        image_size: side of the whole square faces that it is shown.
        framing: how they are cut out; see :mod:`lipsync.faces.framing`.
        seen: numbers a frame that it gives.
        width: channels of the convolution.
        hidden: of the recurrent layers, in each direction.
        dropout: share of the numbers that are left out in training, in every layer.

    Attributes:
        words: all words, behind the blank in this order.

    Raises:
        ConfigError: slots without words, or a word in two places.
    """

    use = "score dubs by what they say (lipsync bench --reader FILE)"

    def __init__(
        self,
        slots: Sequence[Sequence[str]],
        eyes: str = "judge-open",
        image_size: int = 96,
        framing: str = "box",
        seen: int = 384,
        width: int = 96,
        hidden: int = 64,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.slots = [[str(word) for word in slot] for slot in slots]
        self.words = [word for slot in self.slots for word in slot]
        if not all(self.slots) or not self.slots or len(set(self.words)) < len(self.words):
            raise ConfigError("LipReader: each slot needs words, and no word may be in two slots")
        self.config = {
            "slots": self.slots,
            "eyes": eyes,
            "image_size": image_size,
            "framing": framing,
            "seen": seen,
            "width": width,
            "hidden": hidden,
            "dropout": dropout,
        }
        self.scale = nn.BatchNorm1d(seen, affine=False)
        self.narrow = nn.Sequential(
            nn.Linear(seen, width), nn.LayerNorm(width), nn.SiLU(), nn.Dropout(dropout)
        )
        self.near = nn.Sequential(
            nn.Conv1d(width, width, 5, padding=2),
            nn.BatchNorm1d(width),
            nn.SiLU(),
            nn.Dropout(dropout),
        )
        self.far = nn.GRU(width, hidden, 2, bidirectional=True, batch_first=True, dropout=dropout)
        self.say = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * hidden, 1 + len(self.words)))

    def forward(self, seen: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Log probabilities of the blank and of the words at each frame.

        Args:
            seen: (B, T, seen) of :func:`look`.
            lengths: (B,) frames of each; None where all have T.

        Returns:
            (B, T, 1 + words) float32.
        """
        if lengths is None:
            lengths = torch.full((len(seen),), seen.shape[1])
        there = (torch.arange(seen.shape[1]) < lengths.cpu()[:, None]).to(seen.device)[..., None]
        mean = (seen * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True)
        x = self.narrow(self.scale(((seen - mean) * there).mT).mT) * there
        x = x + self.near(x.mT).mT
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        heard, _ = nn.utils.rnn.pad_packed_sequence(
            self.far(packed)[0], batch_first=True, total_length=seen.shape[1]
        )
        return F.log_softmax(self.say(heard).float(), dim=-1)

    def read(self, seen: Tensor) -> list[str]:
        """The likeliest sentence of a clip, from (T, seen) of :func:`look`."""
        with torch.inference_mode():
            return self.likeliest(self(seen[None])[0])

    def likeliest(self, scores: Tensor) -> list[str]:
        """One word of each slot along the best path through (T, 1 + words) log probabilities.

        Between two words, before and behind them may be blanks (Viterbi 1967).

        Raises:
            ValueError: fewer frames than words.
        """
        if len(scores) < len(self.slots):
            raise ValueError(f"{len(scores)} frames are too few for {len(self.slots)} words")
        ends = list(accumulate(len(slot) for slot in self.slots))
        # Best paths so far: (score, words) that end in a blank after so many words, ...
        blanks: list[tuple] = [(0.0, ())] + [_NONE] * len(self.slots)
        spoken = [[_NONE] * len(slot) for slot in self.slots]  # ... or in a word
        for blank, *rest in scores.tolist():
            best = [max(each) for each in spoken]
            before = [blanks[0], *map(max, blanks[1:], best)]
            for place, slot in enumerate(spoken):
                says = rest[ends[place] - len(slot) : ends[place]]
                score, words = before[place]
                spoken[place] = [
                    (stays[0] + log, stays[1])
                    if stays[0] > score
                    else (score + log, (*words, word))
                    for word, (stays, log) in enumerate(zip(slot, says, strict=True))
                ]
            blanks = [(score + blank, words) for score, words in before]
        _, path = max(blanks[-1], max(spoken[-1]))
        return [slot[word] for slot, word in zip(self.slots, path, strict=True)]


_NONE: tuple = (float("-inf"), ())


def look(eyes: LongSyncNet, faces: Tensor) -> Tensor:
    """What a network of long windows sees around each frame: (T, 256 + 128), without gradients.

    Args:
        eyes: in eval mode.
        faces: (T, 3, rows, S) in [0, 1], whole or lower halves as it asks for.
    """
    seen, half, layers = eyes.shrink(faces), eyes.moment // 2, []
    padded = torch.cat(
        [seen[:1].expand(half, -1, -1, -1), seen, seen[-1:].expand(half, -1, -1, -1)]
    )
    moments = eyes.cut_faces(padded.flatten(0, 1)[None])[0]  # (T, 3 x 5, rows, columns)
    hook = eyes.face_encoder[-3].register_forward_hook(
        lambda _, __, wide: layers.append(wide.flatten(1))
    )
    try:
        with torch.no_grad():
            layers.append(eyes.face_moments(moments))
    finally:
        hook.remove()
    return torch.cat(layers, dim=1)


def check_eyes(eyes: nn.Module, reader: LipReader) -> LongSyncNet:
    """The network that looks for a reader; refuse one that cannot.

    Raises:
        ConfigError: another kind of network, or one of other faces.
    """
    name = reader.config["eyes"]
    if not isinstance(eyes, LongSyncNet):
        raise ConfigError(f"eyes {name}: {type(eyes).__name__} is not a LongSyncNet")
    for key in ("image_size", "framing"):
        if eyes.config[key] != reader.config[key]:
            raise ConfigError(
                f"eyes {name}: see faces of {key} {eyes.config[key]}, but the reader "
                f"{reader.config[key]}; use the same"
            )
    return eyes
