"""What to evaluate: files and folders, lists of pairs, published file lists, random pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipsync.errors import ConfigError, MediaError
from lipsync.media.files import VIDEO_SUFFIXES
from lipsync.tables import read_rows, read_text

SOUNDS = {".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus"}


@dataclass(frozen=True)
class Pair:
    """A face and the speech to dub it with, and a name that is unique in its list."""

    video: Path
    audio: Path
    name: str

    @property
    def own_sound(self) -> bool:
        """Whether the speech is the face's own, so that the real frames are ground truth."""
        return self.video == self.audio


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """Videos among files and folders (searched recursively), in a fixed order.

    Raises:
        MediaError: a path that does not exist, or a folder without a video.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
            if not inside:
                raise MediaError(
                    path, "contains no video", f"looked for {', '.join(sorted(VIDEO_SUFFIXES))}"
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise MediaError(path, "no such file or folder", "check the path")
    return found


def read_pairs(path: str | Path) -> tuple[list[Path], list[Path]]:
    """Generated and real videos from a CSV of ``generated,real``, relative to its folder.

    Raises:
        MediaError: a file that cannot be read, contains no pair, or is not such a CSV.
    """
    path = Path(path)
    rows: list[list[str]] = []
    for number, row in read_rows(path):
        if len(row) != 2 or not all(row):
            raise MediaError(path, f"line {number} has {len(row)} fields", "write generated,real")
        if rows or row != ["generated", "real"]:
            rows.append(row)
    if not rows:
        raise MediaError(path, "contains no pair", "write lines of generated,real")
    generated, real = ([path.parent / row[side] for row in rows] for side in (0, 1))
    return generated, real


def read_filelist(path: str | Path, root: str | Path | None = None) -> list[Pair]:
    """Pairs from a published file list, whose lines are ``video audio``, two names under ``root``.

    Names may lack a suffix, as those of LRS2, LRS3 and LRW do. A line that names the same file
    twice is a face with its own speech. Missing files are not an error here: they are reported and
    counted when their pair is scored.

    Args:
        path: the list.
        root: the folder that names are relative to; by default the list's own.

    Raises:
        MediaError: a list that cannot be read, contains no pair, or has a malformed line.
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    pairs = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        names = line.split()
        if not names:
            continue
        if len(names) != 2:
            raise MediaError(path, f"line {number} has {len(names)} names", _FORM)
        video, audio = names
        pairs.append(
            Pair(
                _resolve(root, video, VIDEO_SUFFIXES),
                _resolve(root, audio, VIDEO_SUFFIXES | SOUNDS),
                f"{video} + {audio}",
            )
        )
    if not pairs:
        raise MediaError(path, "contains no pair", _FORM)
    return _number_duplicates(pairs)


def random_pairs(
    videos: Iterable[str | Path], count: int | None = None, seed: int = 0
) -> list[Pair]:
    """Pair every video, or ``count`` of them, with another one's speech at random.

    The draw depends only on the names and the seed, not on the folder of the videos. Each video is
    used at most once as a face and once as a speech.

    Args:
        videos: files, or folders to search.
        count: number of pairs, at most the number of videos; by default all.
        seed: of the draw.

    Raises:
        MediaError: a path that does not exist, or a folder without a video.
        ConfigError: fewer than two videos, or a ``count`` below 1.
    """
    found = find_videos(videos)
    if len(found) < 2 or (count is not None and count < 1):
        raise ConfigError(
            f"{len(found)} videos and {'all' if count is None else count} pairs: random pairing "
            "needs at least two videos and one pair"
        )
    rng = np.random.default_rng(seed)
    # Each gets the speech of the next in a shuffled circle, so never its own.
    circle = rng.permutation(len(found))
    faces = circle[: len(found) if count is None else min(count, len(found))]
    voices = np.roll(circle, -1)[: len(faces)]
    names = _short_names(found)
    pairs = [
        Pair(found[f], found[v], f"{names[f]} + {names[v]}")
        for f, v in zip(faces, voices, strict=True)
    ]
    return _number_duplicates(pairs)


_FORM = "write lines of two names: video audio"


def _resolve(root: Path, name: str, suffixes: Collection[str]) -> Path:
    """``root / name``, with the suffix of an existing file if it has none."""
    path = root / name
    if path.suffix.lower() in suffixes or path.exists():
        return path
    endings = sorted(suffixes, key=lambda s: (s != ".mp4", s not in VIDEO_SUFFIXES, s))
    candidates = [path.with_name(path.name + ending) for ending in endings]
    return next((c for c in candidates if c.is_file()), candidates[0])


def _short_names(paths: list[Path]) -> list[str]:
    """The last two parts of each path without the suffix, such as ``s1/bbaf2n``."""
    return ["/".join(p.with_suffix("").parts[-2:]) for p in paths]


def _number_duplicates(pairs: list[Pair]) -> list[Pair]:
    """The same pairs, with numbers appended to repeated names."""
    seen: dict[str, int] = {}
    out = []
    for pair in pairs:
        seen[pair.name] = times = seen.get(pair.name, 0) + 1
        out.append(pair if times == 1 else Pair(pair.video, pair.audio, f"{pair.name} ({times})"))
    return out
