"""Corpora as they are distributed: what their folders mean, and which clips their splits hold.

- LRS2: ``{main,pretrain}/<video>/<clip>.mp4``; splits by ``{train,val,test,pretrain}.txt``, there
  or in the folder above.
- LRS3: ``{trainval,test,pretrain}/<video>/<clip>.mp4``; the folders are the splits, and ``val`` is
  drawn from the videos of ``trainval``.
- GRID: ``<speaker>/<clip>.mpg``, at any depth; splits by speakers, ``splits.NAME=[s1,s2]``. Known
  by its files' names, which spell a sentence. A file is one take, and some of s1's begin with what
  a decoder makes of a missing picture, smeared over the face for half a second and more; a cut in
  the picture tells them, so that files with one are left out whole (``cuts``).
- the published layout: ``<speaker>/<clip>/{0.jpg,1.jpg,...,audio.wav}``, read by the loaders as it
  is or converted here; splits as any other.
- any other: ``<speaker>/<clip>.<ext>``; splits by ``filelists/*.txt``, or drawn.

The clips of ``pretrain`` are excerpts that hold those of the other folders, under numbers of their
own; their keys are ``<video>/pretrain-<clip>``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

LISTS = "filelists"
_LRS2, _LRS3 = {"main", "pretrain"}, {"trainval", "test", "pretrain"}
# Command, colour, preposition, letter (not w), digit (z is zero), adverb.
_SENTENCE = re.compile(r"[blps][bgrw][abiw][a-vx-z][z1-9][anps]")
_LRS2_LISTS = ("train", "val", "test", "pretrain")


def is_lrs(names: Sequence[Path]) -> bool:
    """Whether the videos of a folder, named relative to it, are laid out as LRS2's or LRS3's."""
    tops = {name.parts[0] for name in names if len(name.parts) == 3}
    others = any(len(name.parts) != 3 for name in names)
    needed = tops & {"main", "trainval"}
    return bool(needed) and not others and (tops <= _LRS2 or tops <= _LRS3)


def is_grid(names: Sequence[Path]) -> bool:
    """Whether all videos of a folder are called as GRID's sentences, ``bbaf2n`` and the like."""
    return bool(names) and all(_SENTENCE.fullmatch(name.stem.lower()) for name in names)


def lrs_parts(name: Path) -> list[str]:
    """``main/<video>/<clip>`` without what is not in its key."""
    top, video, clip = name.parts
    return [video, f"pretrain-{clip}" if top == "pretrain" else clip]


def official_splits(
    folder: str | Path, listed: Iterable[str], val_share: float = 0.05
) -> dict[str, list[str]] | None:
    """The names in each split as a corpus itself has them; None where it leaves them open.

    Names of lists need not exist and may be hostile: they are only compared with ``listed``.

    Args:
        folder: the source folder.
        listed: its files' paths without their suffix.
        val_share: of LRS3's videos of ``trainval``, for ``val``.
    """
    folder, listed = Path(folder), list(listed)
    if lists := sorted((folder / LISTS).glob("*.txt")):
        return {path.stem: _lines(path) for path in lists}
    if not is_lrs([Path(name) for name in listed]):
        return None
    tops = {PurePosixPath(name).parts[0] for name in listed}
    if "trainval" in tops:
        return _lrs3(listed, val_share)
    places = [folder, folder.parent]
    found = {
        split: place / f"{split}.txt"
        for place in reversed(places)
        for split in _LRS2_LISTS
        if (place / f"{split}.txt").is_file()
    }
    if "train" not in found:
        return None
    return {
        split: [("pretrain/" if split == "pretrain" else "main/") + line for line in _lines(path)]
        for split, path in found.items()
    }


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _lrs3(listed: list[str], val_share: float) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": [], "pretrain": []}
    for name in listed:
        top, video, _ = PurePosixPath(name).parts
        if top == "trainval":
            share = int.from_bytes(hashlib.sha256(video.encode()).digest()[:8], "big") / 2**64
            top = "val" if share < val_share else "train"
        splits[top].append(name)
    return {split: names for split, names in splits.items() if names}
