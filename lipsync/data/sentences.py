"""Whole clips with transcripts, for lip reading."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.data.datasets import Reader, Split
from lipsync.data.draws import ClipDraws
from lipsync.data.inputs import Inputs
from lipsync.errors import ClipError, ConfigError
from lipsync.tables import read_table

GRID_SLOTS = (
    ("bin", "lay", "place", "set"),
    ("blue", "green", "red", "white"),
    ("at", "by", "in", "with"),
    tuple("abcdefghijklmnopqrstuvxyz"),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)
"""Grammar of the GRID corpus: command, colour, preposition, letter, digit, adverb."""
_DIGITS = "z123456789"
_GRID = re.compile(r"[blps][bgrw][abiw][a-vx-z][z1-9][anps]")


def grid_sentence(key: str) -> str | None:
    """Transcript of a GRID clip, from its name; None for other names.

    Example:
        >>> grid_sentence("s1/bbaf2n")
        'bin blue at f two now'
    """
    name = key.rpartition("/")[2]
    if not _GRID.fullmatch(name):
        return None
    words = []
    for slot, letter in zip(GRID_SLOTS, name, strict=True):
        digit = len(slot) == len(_DIGITS)
        place = _DIGITS.index(letter) if digit else [w[0] for w in slot].index(letter)
        words.append(slot[place])
    return " ".join(words)


def read_transcripts(path: str | Path) -> dict[str, str]:
    """Transcripts by clip, from a CSV with the columns ``name`` (``speaker/clip``) and ``text``.

    Raises:
        MediaError: the file cannot be read, or lacks a column.
    """
    rows = read_table(path, "name", "text")
    return {row["name"]: " ".join(row["text"].lower().split()) for _, row in rows}


class Sentences(Split):
    """Whole clips with transcripts; clips without one are left out.

    Args:
        reader, split, inputs: as in :class:`lipsync.data.datasets.Windows`.
        transcripts: a file for :func:`read_transcripts`; None derives them from GRID file names.
        frames: maximum frames per clip; shorter clips are padded with their last frame.
        most: maximum number of clips; takes the first ones.

    Returns per clip:
        ``faces`` uint8 (frames, rows, S, 3); ``start`` int64 (1,), always 0; ``length``, number of
        frames without padding; ``text``, words separated by spaces; ``key``.

    Raises:
        ConfigError: a set of another size or framing, or without transcripts.
        ClipError: a clip with more frames.
    """

    def __init__(
        self,
        reader: Reader,
        split: str,
        inputs: Inputs,
        *,
        transcripts: str | Path | None = None,
        frames: int = 75,
        most: int | None = None,
    ) -> None:
        super().__init__(reader, split, inputs)
        known = None if transcripts is None else read_transcripts(transcripts)
        said = {k: grid_sentence(k) if known is None else known.get(k) for k in self.keys}
        self.texts = {key: text for key, text in said.items() if text}
        self.keys = [key for key in self.keys if key in self.texts][:most]
        self.frames = frames
        if not self.keys:
            raise ConfigError(
                f"{reader}: no transcripts for the {len(said)} clips of {split}; set "
                "data.transcripts=FILE, a CSV with columns name and text"
            )

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        clip = self.clip(self.keys[index])
        if len(clip) > self.frames:
            problem = f"has {len(clip)} frames, data.frames is {self.frames}"
            raise ClipError(clip.key, problem, "raise it, or take the clip out of the list")
        frames = np.minimum(np.arange(self.frames), len(clip) - 1)
        return {
            "faces": self.inputs.read_faces(clip, frames),
            "start": np.zeros(1, int),
            "length": len(clip),
            "text": self.texts[clip.key],
            "key": clip.key,
        }


class DrawnSentences(Sentences):
    """The same clips, endless and in random order, for training.

    Args:
        reader, split, inputs, transcripts, frames: as in :class:`Sentences`.
        seed: random seed of the order.
        balance: from 0 for equal shares of clips to 1 for equal shares of speakers.
    """

    def __init__(
        self,
        reader: Reader,
        split: str,
        inputs: Inputs,
        *,
        seed: int = 0,
        balance: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(reader, split, inputs, **options)
        self.draws = ClipDraws([key.split("/")[0] for key in self.keys], seed, balance)

    def __getitem__(self, draw: int) -> dict[str, Any]:
        return super().__getitem__(self.draws(draw))
