"""Corpora as they are distributed: what their folders mean, and which clips their splits hold.

- LRS2: ``{main,pretrain}/<video>/<clip>.mp4``; splits by ``{train,val,test,pretrain}.txt``, there
  or in the folder above.
- LRS3: ``{trainval,test,pretrain}/<video>/<clip>.mp4``; the folders are the splits, and ``val`` is
  drawn from the videos of ``trainval``, of which ``pretrain`` then has no clip.
- VoxCeleb2: ``idNNNNN/<video>/<clip>.mp4`` at any depth; where it lies in folders ``dev`` and
  ``test``, these are the splits, and ``val`` is drawn from the speakers of ``dev``.
- GRID: ``<speaker>/<clip>.mpg``, at any depth; splits by speakers, ``splits.NAME=[s1,s2]``. Known
  by its files' names, which spell a sentence. A file is one take, and some of s1's begin with what
  a decoder makes of a missing picture, smeared over the face for half a second and more; a cut in
  the picture tells them, so that files with one are left out whole (``cuts``).
- the published layout: ``<speaker>/<clip>/{0.jpg,1.jpg,...,audio.wav}``, read by the loaders as it
  is or converted here; splits as any other.
- any other: ``<speaker>/<clip>.<ext>`` or ``<speaker>/<video>/<clip>.<ext>``; splits by
  ``filelists/*.txt``, or drawn.

The clips of ``pretrain`` are excerpts that hold those of the other folders, under numbers of their
own; their keys are ``<video>/pretrain-<clip>``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data_prep.draw import draw
from data_prep.readers.found import lines

LISTS = "filelists"
_LRS2, _LRS3 = {"main", "pretrain"}, {"trainval", "test", "pretrain"}
# Command, colour, preposition, letter (not w), digit (z is zero), adverb.
_SENTENCE = re.compile(r"[blps][bgrw][abiw][a-vx-z][z1-9][anps]")
_LRS2_LISTS = ("train", "val", "test", "pretrain")
_VOXCELEB_SPEAKER = re.compile(r"id\d{5}")


def is_lrs(names: Iterable[str]) -> bool:
    """Whether the videos of a folder, named relative to it, are laid out as LRS2's or LRS3's."""
    tops = set()
    for name in names:
        if name.count("/") != 2:
            return False
        tops.add(name.partition("/")[0])
    return bool(tops & {"main", "trainval"}) and (tops <= _LRS2 or tops <= _LRS3)


def is_grid(names: Sequence[str]) -> bool:
    """Whether all videos of a folder are called as GRID's sentences, ``bbaf2n`` and the like."""
    stems = (name.rpartition("/")[2].partition(".")[0] for name in names)
    return bool(names) and all(_SENTENCE.fullmatch(stem.lower()) for stem in stems)


def is_voxceleb(names: Sequence[str]) -> bool:
    """Whether all videos of a folder lie as VoxCeleb2's: ``.../id00012/<video>/<clip>.mp4``."""
    parts = (name.split("/") for name in names)
    return bool(names) and all(
        len(part) >= 3 and _VOXCELEB_SPEAKER.fullmatch(part[-3]) for part in parts
    )


def video_of(listed: Iterable[str]) -> Callable[[str, str], str]:
    """What tells from which video a clip was cut, by its key and the name of its file.

    The clip's folder, if that is not its speaker's; LRS's ``<video>/<clip>`` have no other. Where a
    folder is only a speaker's, and in GRID, each file is a video.
    """
    names = list(listed)
    lrs, grid = is_lrs(names), is_grid(names)

    def video(key: str, name: str) -> str:
        folder = key.rpartition("/")[0]
        return folder if lrs or ("/" in folder and not grid) else name

    return video


def lrs_parts(parts: Sequence[str]) -> list[str]:
    """``main/<video>/<clip>`` without what is not in its key."""
    top, video, clip = parts
    return [video, f"pretrain-{clip}" if top == "pretrain" else clip]


def official_splits(
    folder: str | Path, listed: Iterable[str], val_share: float = 0.05
) -> dict[str, list[str]] | None:
    """The names in each split as a corpus itself has them; None where it leaves them open.

    Names of lists need not exist and may be hostile: they are only compared with ``listed``.

    Args:
        folder: the source folder.
        listed: its files' paths without their suffix.
        val_share: of the clips of LRS3's ``trainval`` or VoxCeleb2's ``dev``, for ``val``.
    """
    folder, listed = Path(folder), list(listed)
    if lists := sorted((folder / LISTS).glob("*.txt")):
        order = ("train", "val", "test")
        lists.sort(key=lambda p: order.index(p.stem) if p.stem in order else len(order))
        return {path.stem: lines(path) for path in lists}
    if is_voxceleb(listed):
        return _by_folders(listed, {"dev": "train", "test": "test"}, -3, val_share)
    if not is_lrs(listed):
        return None
    if any(name.startswith("trainval/") for name in listed):
        folders = {"trainval": "train", "test": "test", "pretrain": "pretrain"}
        return _by_folders(listed, folders, -2, val_share)
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
        split: [("pretrain/" if split == "pretrain" else "main/") + line for line in lines(path)]
        for split, path in found.items()
    }


def _by_folders(
    listed: list[str], folders: dict[str, str], group: int, val_share: float
) -> dict[str, list[str]] | None:
    """Splits by a path's folders; ``val`` from the groups (a part of the path) of ``train``.

    None if there is but one split.
    """
    splits: dict[str, list[str]] = {split: [] for split in ("train", "val", "test", "pretrain")}
    for name in listed:
        if inside := [folders[part] for part in name.split("/")[:group] if part in folders]:
            splits[inside[0]].append(name)
    if not splits["train"] or not (splits["test"] or splits["pretrain"]):
        return None
    sizes = Counter(name.split("/")[group] for name in splits["train"])
    held = draw(sizes, {"val": val_share}, force=True) or {}
    for split in ("train", "pretrain"):
        own, splits[split] = splits[split], []
        for name in own:
            if name.split("/")[group] not in held:
                splits[split].append(name)
            elif split == "train":
                splits["val"].append(name)
    return {split: names for split, names in splits.items() if names}
