"""Folder layouts and official splits of corpora, as distributed.

- LRS2: ``{main,pretrain}/<video>/<clip>.mp4``; splits from ``{train,val,test,pretrain}.txt`` in the
  source folder or its parent.
- LRS3: ``{trainval,test,pretrain}/<video>/<clip>.mp4``; the folders are the splits. ``val`` is
  drawn from the videos in ``trainval``, and clips of these videos are removed from ``pretrain``.
- VoxCeleb2: ``idNNNNN/<video>/<clip>.mp4`` at any depth; if these are in folders ``dev`` and
  ``test``, the folders are the splits, and ``val`` is drawn from the speakers in ``dev``.
- GRID: ``<speaker>/<clip>.mpg`` at any depth, recognised by the file names, which encode a
  sentence; splits by speaker, ``splits.NAME=[s1,s2]``. Each file is a single take. Some of s1's
  start with a decoding artefact, a missing frame smeared over the face for half a second or more.
  It shows up as a cut, so files with a cut are rejected as a whole (``cuts``).
- the published layout: ``<speaker>/<clip>/{0.jpg,1.jpg,...,audio.wav}``, which the data loaders
  read directly, or converted here; splits as for other footage.
- other footage: ``<speaker>/<clip>.<ext>`` or ``<speaker>/<video>/<clip>.<ext>``; splits from
  ``filelists/*.txt``, or drawn.

In LRS2 and LRS3, the clips in ``pretrain`` are longer excerpts that contain those in the other
folders, but are numbered independently; their keys are ``<video>/pretrain-<clip>``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data_prep.draw import draw
from data_prep.readers.corpus_clip import lines

LISTS = "filelists"
_LRS2, _LRS3 = {"main", "pretrain"}, {"trainval", "test", "pretrain"}
# Command, colour, preposition, letter (not w), digit (z is zero), adverb.
_SENTENCE = re.compile(r"[blps][bgrw][abiw][a-vx-z][z1-9][anps]")
_LRS2_LISTS = ("train", "val", "test", "pretrain")
_VOXCELEB_SPEAKER = re.compile(r"id\d{5}")


def is_lrs(names: Iterable[str]) -> bool:
    """Whether videos, named relative to the source folder, have the layout of LRS2 or LRS3."""
    tops = set()
    for name in names:
        if name.count("/") != 2:
            return False
        tops.add(name.partition("/")[0])
    return bool(tops & {"main", "trainval"}) and (tops <= _LRS2 or tops <= _LRS3)


def is_grid(names: Sequence[str]) -> bool:
    """Whether all videos are named like GRID's sentences, such as ``bbaf2n``."""
    stems = (name.rpartition("/")[2].partition(".")[0] for name in names)
    return bool(names) and all(_SENTENCE.fullmatch(stem.lower()) for stem in stems)


def is_voxceleb(names: Sequence[str]) -> bool:
    """Whether all videos have the layout of VoxCeleb2: ``.../id00012/<video>/<clip>.mp4``."""
    parts = (name.split("/") for name in names)
    return bool(names) and all(
        len(part) >= 3 and _VOXCELEB_SPEAKER.fullmatch(part[-3]) for part in parts
    )


def video_of(listed: Iterable[str]) -> Callable[[str, str], str]:
    """Return a function that maps a clip's key and file name to the video it was cut from.

    The video is the clip's folder if that is below the speaker's folder, and always in LRS2 and
    LRS3, whose keys are ``<video>/<clip>``. Otherwise, and always in GRID, each file is a video.
    """
    names = list(listed)
    lrs, grid = is_lrs(names), is_grid(names)

    def video(key: str, name: str) -> str:
        folder = key.rpartition("/")[0]
        return folder if lrs or ("/" in folder and not grid) else name

    return video


def lrs_parts(parts: Sequence[str]) -> list[str]:
    """The parts of an LRS clip's key, given those of its path, ``main/<video>/<clip>``."""
    top, video, clip = parts
    return [video, f"pretrain-{clip}" if top == "pretrain" else clip]


def official_splits(
    folder: str | Path, listed: Iterable[str], val_share: float = 0.05
) -> dict[str, list[str]] | None:
    """Names in each official split of a corpus; None if it has none.

    Entries of list files are untrusted and need not exist: they are only compared with ``listed``,
    never opened.

    Args:
        folder: the source folder.
        listed: relative paths of its files, without suffix.
        val_share: share of the clips in LRS3's ``trainval`` or VoxCeleb2's ``dev`` to draw for
            ``val``.
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
    """Splits by the folders in the paths, with ``val`` drawn from ``train`` by group.

    ``group`` is the index of the path part that names a clip's group. Returns None if there is only
    one split.
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
