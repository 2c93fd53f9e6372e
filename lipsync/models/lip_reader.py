"""A lip reader for sentences with a fixed grammar (CTC, Graves et al. 2006).

It is trained on mouth pixels and only scores dubs: no training loss uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.base import Network

BLANK = 0
_NEAR = 5  # frames in the input of the first convolution
_SHIFTED = 8  # 1/8 of the channels come from the previous frame, 1/8 from the next
_SQUEEZED = 32  # channels of the last feature map before it is flattened


class LipReader(Network):
    """Read the words of a sentence from a whole clip of a face.

    A sentence has one word from each *slot*, in order, as in the GRID corpus. Words are spelt in
    *sounds*, which the lower recurrent layer predicts and the upper one is conditioned on
    (self-conditioned CTC, Nozaki & Komatsu 2021), so that rare words share sounds with others.

    Args:
        slots: words allowed at each position of a sentence.
        spelling: word -> its sounds, separated by spaces; None uses the letters of each word.
        image_size: side of the whole square faces; the input is their lower halves.
        framing: how the faces are cropped; see :mod:`lipsync.faces.framing`.
        width: channels of the first convolution.
        hidden: width of the recurrent layers, in each direction.
        dropout: dropout rate in every recurrent layer.

    Attributes:
        words: all words, in output order after the blank.
        sounds: all sounds, in output order after the blank.

    Raises:
        ConfigError: an empty slot, a word in two slots, or a word without a spelling.
    """

    use = "score dubs by what they say (lipsync bench --reader FILE)"
    lower_half = True

    def __init__(
        self,
        slots: Sequence[Sequence[str]],
        spelling: Mapping[str, str] | None = None,
        image_size: int = 128,
        framing: str = "aligned_tight",
        width: int = 32,
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.slots = [[str(word) for word in slot] for slot in slots]
        self.words = [word for slot in self.slots for word in slot]
        if not all(self.slots) or not self.slots or len(set(self.words)) < len(self.words):
            raise ConfigError("LipReader: each slot needs words, and no word may be in two slots")
        spelt = {w: " ".join(w) for w in self.words} if spelling is None else dict(spelling)
        if missing := [word for word in self.words if not spelt.get(word, "").split()]:
            raise ConfigError(f"LipReader: spelling has no sounds for '{missing[0]}'")
        self.spelling = {word: spelt[word].split() for word in self.words}
        self.sounds = sorted({sound for sounds in self.spelling.values() for sound in sounds})
        self.config = {
            "slots": self.slots,
            "spelling": {word: " ".join(sounds) for word, sounds in self.spelling.items()},
            "image_size": image_size,
            "framing": framing,
            "width": width,
            "hidden": hidden,
            "dropout": dropout,
        }
        channels = [width, width * 3 // 2, width * 5 // 2, width * 4]
        self.first = nn.Sequential(
            nn.Conv2d(3 * _NEAR, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.SiLU(),
            nn.MaxPool2d(3, 2, 1),
        )  # fmt: skip
        self.blocks = nn.ModuleList(
            _Block(*channels[i : i + 2], stride=1 if i == 0 else 2) for i in range(3)
        )
        flat = _SQUEEZED
        for side in _mouth_sides(image_size):
            flat *= -(-side // 16)  # four halvings, rounded up
        self.squeeze = nn.Conv2d(channels[-1], _SQUEEZED, 1)
        self.narrow = nn.Linear(flat, hidden * 3 // 2)
        self.scale = nn.Sequential(nn.LayerNorm(hidden * 3 // 2), nn.SiLU(), nn.Dropout(dropout))
        self.near = nn.GRU(hidden * 3 // 2, hidden, bidirectional=True, batch_first=True)
        self.far = nn.GRU(2 * hidden, hidden, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.sound = nn.Linear(2 * hidden, 1 + len(self.sounds))
        self.told = nn.Linear(1 + len(self.sounds), 2 * hidden)
        self.say = nn.Linear(2 * hidden, 1 + len(self.words))

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities of words and of sounds, each with the blank first.

        Args:
            faces: (B, T, 3, S / 2, S) in [0, 1], lower halves.

        Returns:
            (B, T, 1 + words) and (B, T, 1 + sounds), float32.
        """
        seen = self.look(faces)
        with torch.autocast(seen.device.type, enabled=False):
            near = self.dropout(self.near(seen.float())[0])
            sounds = self.sound(near)
            far = self.dropout(self.far(near + self.told(sounds.softmax(dim=-1)))[0])
            return self.say(far).log_softmax(dim=-1), sounds.log_softmax(dim=-1)

    def look(self, faces: Tensor) -> Tensor:
        """Visual features per frame, (B, T, D), minus their mean over the clip.

        The mean carries the appearance of the face rather than the speech.
        """
        rows, columns = _mouth_sides(self.config["image_size"])
        left = (faces.shape[-1] - columns) // 2
        mouth = faces[..., :rows, left : left + columns]
        deviation, mean = torch.std_mean(mouth, dim=(1, 2, 3, 4), keepdim=True)
        mouth = (mouth - mean) / (deviation + 0.02)
        half = _NEAR // 2
        held = [mouth[:, :1]] * half + [mouth] + [mouth[:, -1:]] * half
        held, count = torch.cat(held, dim=1), mouth.shape[1]
        x = torch.cat([held[:, i : i + count] for i in range(_NEAR)], dim=2).flatten(0, 1)
        x = self.first(x.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x, count)
        x = self.narrow(self.squeeze(x).flatten(1)).float().unflatten(0, (-1, count))
        return self.scale(x - x.mean(dim=1, keepdim=True))

    def read(self, faces: Tensor) -> list[str]:
        """The most likely sentence for a clip (T, 3, S / 2, S), summed with its mirror image."""
        with torch.inference_mode():
            scores = self(torch.stack([faces, faces.flip(-1)]))[0]
            return self.likeliest(scores.logsumexp(dim=0))

    def likeliest(self, scores: Tensor) -> list[str]:
        """Viterbi decoding of (T, 1 + words) log probabilities into one word per slot.

        Blanks are allowed before, between and after the words.

        Raises:
            ValueError: fewer frames than slots.
        """
        if len(scores) < len(self.slots):
            raise ValueError(f"{len(scores)} frames are too few for {len(self.slots)} words")
        ends = list(accumulate(len(slot) for slot in self.slots))
        # Best paths so far, (score, words): those ending in a blank, by number of words, ...
        blanks: list[tuple] = [(0.0, ())] + [_NONE] * len(self.slots)
        spoken = [[_NONE] * len(slot) for slot in self.slots]  # ... and those ending in each word
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


class _Block(nn.Module):
    """Residual block with a temporal shift (Lin et al. 2019).

    Some of the channels are taken from the previous or next frame, so that 2-D convolutions act
    like 3-D ones.
    """

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.skip = nn.Sequential(
            nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
            nn.Conv2d(channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor, count: int) -> Tensor:
        """(B x T, channels, H, W) -> (B x T, wanted, H', W') for clips of T = ``count`` frames."""
        film, part = x.unflatten(0, (-1, count)), x.shape[1] // _SHIFTED
        shifted = torch.cat(
            [
                F.pad(film[:, :-1, :part], (0, 0, 0, 0, 0, 0, 1, 0)),
                F.pad(film[:, 1:, part : 2 * part], (0, 0, 0, 0, 0, 0, 0, 1)),
                film[:, :, 2 * part :],
            ],
            dim=2,
        ).flatten(0, 1)
        shifted = shifted.contiguous(memory_format=torch.channels_last)
        return F.silu(self.convs(shifted) + self.skip(x))


def _mouth_sides(size: int) -> tuple[int, int]:
    """Rows and columns of the mouth crop: top centre of the lower half of a face."""
    return size * 7 // 16, size * 5 // 8
