"""The folder of a benchmark: real videos, dubs by several systems, new sounds and metadata.

::

        FOLDER/real/NAME.mp4             the videos that were dubbed, with their own sound
        FOLDER/SYSTEM/NAME.mp4           their dubs, one folder per system
    FOLDER/SYSTEM/silent/NAME.mp4    optional: dubbed with silence
        FOLDER/sound/NAME.wav            optional: the new sounds; by default the dubs' own tracks
    FOLDER/clips.csv                 optional: name, speaker, and columns to group by; for a lip
                                         reader, text (of the new sound) and real_text (of the old)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lipsync.errors import ConfigError, MediaError
from lipsync.evaluation.benchmark.measures import BASELINES, SILENCED
from lipsync.evaluation.lists import SOUNDS
from lipsync.evaluation.rows import REAL, Row
from lipsync.media.files import VIDEO_SUFFIXES
from lipsync.tables import read_table

SOUND = "sound"
SPEAKER = "speaker"
TEXT, REAL_TEXT = "text", "real_text"
TEXTS = (TEXT, REAL_TEXT)
"""Columns with transcripts, which are not grouped by."""
_OTHERS = {REAL, SOUND}  # folders that are not systems


@dataclass(frozen=True)
class BenchClip:
    """A real video and its dubs.

    Attributes:
        name: file name of all its files, without the suffix.
        real: the video that was dubbed.
        sound: the new sound; None if it is in the dubs' own tracks.
        dubs: system -> its dub.
        silent: system -> its dub with silence.
        groups: its other columns in ``clips.csv``.
        texts: transcripts of the new sound and of the real video; empty if not given.
    """

    name: str
    real: Path
    sound: Path | None
    dubs: dict[str, Path]
    silent: dict[str, Path]
    groups: dict[str, str] = field(default_factory=dict)
    texts: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class BenchFolder:
    """What :func:`read_folder` finds; ``problems`` are rows for files that cannot be used."""

    systems: list[str]
    clips: list[BenchClip]
    problems: list[Row]


def read_folder(
    folder: str | Path, systems: Sequence[str] | None = None, output: str | Path | None = None
) -> BenchFolder:
    """Read the folder of a benchmark.

    Args:
        folder: laid out as above.
        systems: the systems to read; all by default.
        output: the output folder; if it lies inside ``folder``, it is not taken for a system.

    Raises:
        ConfigError: no such folder, one without real videos, systems or dubs, or an unknown
            system.
        MediaError: a malformed ``clips.csv``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; name one that holds real/ and one folder per system"
        )
    problems: list[Row] = []
    real = _videos(folder / REAL, REAL, problems)
    if not real:
        raise ConfigError(f"{folder}: holds no real videos; put them into {folder / REAL}")
    available = _systems(folder, output)
    if unknown := sorted(set(systems or ()) - set(available)):
        known = ", ".join(available) or "none"
        raise ConfigError(f"{folder}: no system {', '.join(unknown)}; available: {known}")
    chosen = list(dict.fromkeys(systems)) if systems else available
    if clash := sorted(set(chosen) & BASELINES.keys()):
        raise ConfigError(f"{folder}: {clash[0]} is the name of a baseline; rename that folder")
    dubs = {system: _videos(folder / system, system, problems) for system in chosen}
    if not any(dubs.values()):
        raise ConfigError(
            f"{folder}: holds no dubs; put each system's dubs into a folder beside {REAL}/"
        )
    silent = {s: _videos(folder / s / "silent", f"{s}{SILENCED}", problems) for s in chosen}
    sounds = files_by_name(folder / SOUND, SOUNDS | VIDEO_SUFFIXES, SOUND, problems)
    with_problem = {(row.set, row.video) for row in problems}
    for system, found in dubs.items():
        for name in found.keys() - real.keys():
            problems.append(Row(system, name, 0, problem="no real video of this name"))
        for name in real.keys() - found.keys():
            if (system, name) not in with_problem:
                problems.append(Row(system, name, 0, problem="the system has no dub of it"))
    about = _groups(folder / "clips.csv")
    speakers = any(SPEAKER in groups for groups in about.values())
    clips = []
    for name in sorted(real):
        mine, quiet = (
            {s: of[name] for s, of in kind.items() if name in of} for kind in (dubs, silent)
        )
        if not mine:
            continue
        if speakers and not about.get(name, {}).get(SPEAKER):
            raise ConfigError(f"{folder / 'clips.csv'}: gives no {SPEAKER} for {name}; add a line")
        groups = about.get(name, {})
        new, old = (" ".join(groups.pop(column, "").lower().split()) for column in TEXTS)
        clips.append(BenchClip(name, real[name], sounds.get(name), mine, quiet, groups, (new, old)))
    if not clips:
        raise ConfigError(
            f"{folder}: no dub has the same file name as a real video; rename them to match"
        )
    problems.sort(key=lambda row: (row.set, row.video))
    return BenchFolder(chosen, clips, problems)


def _systems(folder: Path, output: str | Path | None) -> list[str]:
    other = None if output is None else Path(output).resolve()
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir()
        and path.name not in _OTHERS
        and not path.name.startswith(".")
        and path.resolve() != other
    )


def _videos(folder: Path, kind: str, problems: list[Row]) -> dict[str, Path]:
    return files_by_name(folder, VIDEO_SUFFIXES, kind, problems)


def files_by_name(
    folder: Path, suffixes: Collection[str], kind: str, problems: list[Row]
) -> dict[str, Path]:
    """Name -> file; files with the same name are reported as problems and left out."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            found.setdefault(path.stem, []).append(path)
    for name, paths in found.items():
        if len(paths) > 1:
            files = ", ".join(path.name for path in paths)
            problems.append(
                Row(kind, name, 0, problem=f"several files of one name: {files}; keep one")
            )
    return {name: paths[0] for name, paths in found.items() if len(paths) == 1}


def _groups(path: Path) -> dict[str, dict[str, str]]:
    """Clip -> its columns in ``clips.csv``; empty without the file."""
    found: dict[str, dict[str, str]] = {}
    for line, row in read_table(path, "name") if path.exists() else ():
        name = row.pop("name")
        if name in found:
            raise MediaError(path, f"line {line} repeats {name}", "keep one")
        found[name] = row
    return found
