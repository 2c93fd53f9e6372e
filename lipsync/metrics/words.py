"""Word error: how much of what is said is read wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


def word_errors(read: Sequence[str], said: Sequence[str]) -> int:
    """Words to change, add or take out to make of ``read`` what was ``said`` (Levenshtein 1966).

    Example:
        >>> word_errors("set blue at two now".split(), "set blue by f two now".split())
        2
    """
    row = list(range(len(said) + 1))
    for count, word in enumerate(read, start=1):
        corner, row[0] = row[0], count
        for place, other in enumerate(said, start=1):
            corner, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, corner + (word != other)),
            )
    return row[-1]


class WordErrorRate(Metric):
    """Errors of all sentences over the words that were said in them; 0 is perfect.

    ``update(read, said)`` takes sentences, each as one text or as its words.

    Raises:
        ValueError: another number of sentences read than said; ``compute`` without a word.
    """

    full_state_update = False
    errors: Tensor
    words: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("errors", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("words", torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self, read: Sequence[str | Sequence[str]], said: Sequence[str | Sequence[str]]
    ) -> None:
        if len(read) != len(said):
            raise ValueError(f"{len(read)} sentences were read, {len(said)} were said")
        for one, other in zip(map(_words, read), map(_words, said), strict=True):
            self.errors += word_errors(one, other)
            self.words += len(other)

    def compute(self) -> Tensor:
        if not self.words:
            raise ValueError("no word was said, so the word error is undefined")
        return self.errors / self.words


def _words(sentence: str | Sequence[str]) -> list[str]:
    return sentence.split() if isinstance(sentence, str) else list(sentence)
