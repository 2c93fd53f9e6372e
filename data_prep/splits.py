"""Split lists of a prepared set: the source's own, or drawn by speaker or else by video."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.corpora import official_splits, video_of
from data_prep.draw import draw
from data_prep.overlap import Count, Member, Overlap, count, overlaps
from data_prep.scan import Source
from lipsync.data.store import write_split
from lipsync.errors import ConfigError

_NAME = re.compile(r"\w[\w.-]*")
_COUNTER = re.compile(r"([ _.-]\d+)+$")  # NAME_003.mp4 and NAME_004.mp4 show the same person
_SHOWN = 3  # names per message


@dataclass(frozen=True)
class Splits:
    """Split lists of a prepared set.

    Attributes:
        lists: keys of the clips in each split.
        origin: where the lists come from, in words.
        table: size of each split, and a row ``no list`` if kept clips are in none.
        overlaps: pairs of splits that share speakers.
        remarks: further remarks for the user, of one line each.
    """

    lists: dict[str, list[str]]
    origin: str
    table: list[Count]
    overlaps: list[Overlap]
    remarks: list[str]


def check_splits(wanted: Any) -> None:
    """Check, before any work, that :func:`write_splits` can draw the wanted splits.

    Raises:
        ConfigError: invalid name of a split, a split that is neither a share of the clips nor a
            list of speakers, shares that add up to more than 1, or a speaker in two splits.
    """
    if not isinstance(wanted, Mapping):
        raise ConfigError(f"splits must map names to shares or lists of speakers, got {wanted!r}")
    seen: dict[str, str] = {}
    for name, value in wanted.items():
        if not _NAME.fullmatch(str(name)) or name == "train":
            raise ConfigError(
                f"splits.{name}: a split's name must consist of letters and digits, and not be "
                "train, which receives the rest"
            )
        share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        if not share and not (isinstance(value, list | tuple) and value):
            raise ConfigError(
                f"splits.{name}: must be a share from 0 to 1, or a list of speakers, got {value!r}"
            )
        for speaker in [] if share else map(str, value):
            if seen.setdefault(speaker, name) != name:
                raise ConfigError(
                    f"splits.{seen[speaker]} and splits.{name} both name {speaker}; put each "
                    "speaker into one split"
                )
    if (total := sum(_shares(wanted).values())) > 1 + 1e-9:
        raise ConfigError(f"splits: the shares add up to {total:g}; they must not exceed 1")


def check_lists(folder: str | Path, sources: Iterable[Source], wanted: Mapping[str, Any]) -> None:
    """Check, before any work, that split lists fit the source and do not overlap.

    Raises:
        ConfigError: a file is in two of the source's lists, none of their lines matches a file,
            ``wanted`` names a speaker that the source lacks, or names speakers although the source
            has its own lists.
    """
    sources = list(sources)
    files = {item.list_name: item for item in sources}
    named = {split: value for split, value in wanted.items() if split not in _shares(wanted)}
    lists = official_splits(folder, files, _val_share(wanted))
    if lists is None:
        known = {_speaker(item.key) for item in sources}
        for split, speakers in named.items():
            if missing := sorted(set(map(str, speakers)) - known):
                raise ConfigError(f"splits.{split}: no clip of {', '.join(missing)}")
        return
    if named:
        raise ConfigError(
            f"splits.{next(iter(named))}: source={folder} has lists of its own "
            f"({', '.join(lists)}), which are used unchanged; hold speakers out when "
            "training, data.leave_out=[NAME]"
        )
    found, missing = _match_names(lists, files)
    if missing and not any(found.values()):
        raise ConfigError(
            f"source={folder}: none of the {len(missing)} names in its lists matches one of its "
            f"files; the first is {_first_names(missing, 1)}, whereas a file is named "
            f"{sources[0].list_name}"
        )
    split_of: dict[str, str] = {}
    repeated: dict[str, tuple[str, str]] = {}
    for split, names in found.items():
        for name in names:
            if split_of.setdefault(name, split) != split:
                repeated.setdefault(name, (split_of[name], split))
    if repeated:
        (first, pair), *_ = repeated.items()
        raise ConfigError(
            f"source={folder}: {len(repeated)} clips are in two of its lists, the first {first} in "
            f"{pair[0]} and {pair[1]}; take them out of one"
        )


def write_splits(
    folder: str | Path,
    output: str | Path,
    kept: dict[str, Any],
    wanted: Mapping[str, float | Sequence[str]],
) -> Splits:
    """Write ``<output>/filelists/*.txt`` for the kept clips.

    If the source has its own lists, they are used, restricted to kept clips. Names in them that
    match no file are counted and dropped, and never used as paths, so that hostile lines do no
    harm. Otherwise, lists are drawn: by speaker if there are enough speakers, or else by source
    video, see :func:`data_prep.draw.draw`. All clips of one video are in the same drawn list.

    Args:
        folder: the source folder, or one with the source's lists.
        output: folder of the prepared set.
        kept: key and frames of the kept clips of each file, by its name in lists. Modified in
            place to save memory, as there may be millions.
        wanted: splits to draw, each a share of the clips, such as ``{"val": 0.05}``, or a list of
            speakers, such as ``{"test": ["s1", "s2"]}``; the rest is ``train``.
    """
    video, same = video_of(kept), {}

    def once(text: str) -> str:
        return same.setdefault(text, text)

    for name, rows in kept.items():
        kept[name] = tuple(
            Member(row.key, once(_speaker(row.key)), once(video(row.key, name)), row.frames)
            for row in rows
        )
    same.clear()
    files: dict[str, tuple[Member, ...]] = kept
    lists = official_splits(folder, files, _val_share(wanted))
    if lists is not None:
        names, missing = _match_names(lists, files)
        origin, remarks = "the source's own lists", _missing_name_remarks(missing)
    else:
        names, origin, remarks = _draw_splits(files, wanted)
    splits = {split: [m for name in those for m in files[name]] for split, those in names.items()}
    table = [count(split, members) for split, members in splits.items()]
    # drawn lists hold every clip
    placed = set() if lists is None else {name for those in names.values() for name in those}
    left = () if lists is None else files.keys() - placed
    if rest := [member for name in left for member in files[name]]:
        table.append(count("no list", rest))
    keys = {split: [member.key for member in members] for split, members in splits.items()}
    for split, members in keys.items():
        if lists is None:
            members.sort()
        write_split(output, split, members)
    remarks += _stale_list_remarks(Path(output), keys)
    return Splits(keys, origin, table, overlaps(splits), remarks)


def _stale_list_remarks(output: Path, keys: Mapping[str, list[str]]) -> list[str]:
    """Remarks on lists left by earlier runs that share clips with ``train``."""
    train, remarks = set(), []
    for path in sorted((output / "filelists").glob("*.txt")):
        if path.stem in keys:
            continue
        train = train or set(keys.get("train", []))
        shared = len(train & set(path.read_text(encoding="utf-8", errors="replace").splitlines()))
        if shared:
            remarks.append(
                f"filelists/{path.name} is from another run: {shared} of its clips are in train"
            )
    return remarks


def _match_names(
    lists: Mapping[str, Sequence[str]], files: Mapping[str, Any]
) -> tuple[dict[str, list[str]], list[str]]:
    """Files in each list, without repetitions, and names that match no file.

    Only the first word of a line counts if the whole line is no file, as in ``name NF:12``.
    """
    found: dict[str, dict[str, None]] = {split: {} for split in lists}
    missing: dict[str, None] = {}
    for split, lines in lists.items():
        for line in lines:
            name = line if line in files else line.split(" ")[0]
            (found[split] if name in files else missing)[name] = None
    return {split: list(names) for split, names in found.items()}, list(missing)


def _missing_name_remarks(names: list[str]) -> list[str]:
    if not names:
        return []
    few = _first_names(names, _SHOWN)
    return [f"{len(names)} names in the lists match no file of the source: {few}"]


def _first_names(names: Sequence[str], most: int) -> str:
    """The first ``most`` names, made printable."""
    few = ("".join(c if c.isprintable() else "?" for c in name)[:80] for name in names[:most])
    return ", ".join(few) + ", ..." * (len(names) > most)


def _draw_splits(
    files: Mapping[str, Sequence[Member]], wanted: Mapping[str, float | Sequence[str]]
) -> tuple[dict[str, list[str]], str, list[str]]:
    """Draw the splits; return the files of each, how they were drawn, and remarks."""
    names: dict[str, list[str]] = {split: [] for split in ("train", *wanted)}
    shares, remarks = _shares(wanted), []
    holder = {str(s): split for split in wanted if split not in shares for s in wanted[split]}
    left = []
    for name, own in files.items():
        if own and own[0].speaker in holder:
            names[holder[own[0].speaker]].append(name)
        elif own:
            left.append(name)
    if gone := set(holder) - {own[0].speaker for own in files.values() if own}:
        remarks.append(f"splits names {', '.join(sorted(gone))}, of whom no clip was kept")

    def speaker(name: str) -> str:
        return files[name][0].speaker

    def video(name: str) -> str:
        return files[name][0].video

    def series(name: str) -> str:
        return _COUNTER.sub("", video(name))

    def draw_groups(group: Callable[[str], str], *, force: bool = False) -> dict[str, str] | None:
        sizes: Counter[str] = Counter()
        for name in left:
            sizes[group(name)] += len(files[name])
        return draw(sizes, shares, force=force)

    origin, group, found = "drawn by speaker", speaker, draw_groups(speaker)
    if found is None:
        people = len(set(map(speaker, left)))
        origin = f"drawn by video: speakers ({people}) too few or too unequal to hold any out"
        group, found = series, draw_groups(series)
        if not found:
            group, found = video, draw_groups(video, force=True)
    for name in left:
        names[(found or {}).get(group(name), "train")].append(name)
    if empty := [split for split, share in shares.items() if share and not names[split]]:
        remarks.append(
            f"no clips for {' and '.join(empty)}: the source has too few videos; add some, "
            f"or assign speakers to it, splits.{empty[0]}=[NAME]"
        )
    return names, origin, remarks


def _shares(wanted: Mapping[str, Any]) -> dict[str, float]:
    return {split: share for split, share in wanted.items() if isinstance(share, int | float)}


def _val_share(wanted: Mapping[str, Any]) -> float:
    return _shares(wanted).get("val", 0.05)


def _speaker(key: str) -> str:
    return key.split("/")[0]
