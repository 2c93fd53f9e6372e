"""The list of a batch: CSV or YAML, one dub per row, validated before any work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lipsync.dubbing.options import KNOWN, checked_settings, sorted_options
from lipsync.dubbing.parts import face_sounds
from lipsync.dubbing.pictures import check_output
from lipsync.errors import ConfigError, LipsyncError
from lipsync.tables import read_rows, read_text

_FILES = ("face", "audio", "output")
_SOUNDS = "faces"  # if it maps faces to sounds, audio is optional
_PATHS = ("tracks", "reference", "driver", "curves")  # further options that are files
_NAMES_OR_PATHS = ("model", "enhance", "occlusion")
_OUTPUTS = ("tracks", "curves")  # written if they do not exist
_BOOL = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Entry:
    """A dub in the list: its place (``where``), files and options."""

    where: str
    face: Path
    audio: Path | None
    output: Path
    options: dict[str, Any]

    @property
    def inputs(self) -> list[Path]:
        """Files that it reads."""
        named = [
            Path(self.options[name]) for name in (*_PATHS, *_NAMES_OR_PATHS) if self._is_path(name)
        ]
        sound = [self.audio] if self.audio is not None else []
        return [self.face, *sound, *face_sounds(self.options.get(_SOUNDS, "")), *named]

    @property
    def outputs(self) -> list[Path]:
        """Files that it may write."""
        return [self.output, *(Path(self.options[n]) for n in _OUTPUTS if self._is_path(n))]

    def _is_path(self, name: str) -> bool:
        return isinstance(self.options.get(name), str | Path)


def read_batch(path: Path, common: dict[str, Any]) -> list[Entry]:
    """Read a list, with all checks that do not need the media.

    Args:
        path: the list.
        common: options for all dubs; those in the list override them.

    Raises:
        MediaError, ConfigError: the message names the line, or the entry of a YAML file.
    """
    rows = _yaml_rows(path) if path.suffix.lower() in (".yaml", ".yml") else _csv_rows(path)
    if not rows:
        raise ConfigError(f"{path}: lists nothing to dub")
    entries: list[Entry] = []
    outputs: dict[Path, str] = {}
    for where, row in rows:
        entry = _parse_row(path.parent, where, row, common)
        same = outputs.setdefault(entry.output, where)
        if same is not where:
            raise ConfigError(
                f"{where}: writes {entry.output}, and so does {same}; name different outputs"
            )
        entries.append(entry)
    return entries


def _csv_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    (_, head), *lines = read_rows(path) or [(0, [])]
    names = [name.lower().replace("-", "_") for name in head]
    needed = [name for name in _FILES if name != "audio" or _SOUNDS not in names]
    if repeated := [name for name in names if name and names.count(name) > 1]:
        raise ConfigError(f"{path}: its header has two columns {repeated[0]}; keep one")
    if lacking := [name for name in needed if name not in names]:
        raise ConfigError(
            f"{path}: its header has no column {lacking[0]}; add it (see docs/dubbing.md)"
        )
    rows = []
    for number, cells in lines:
        where = f"{path}: line {number}"
        if len(cells) > len(names):
            raise ConfigError(f"{where}: has {len(cells)} cells, but the header has {len(names)}")
        row = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
        rows.append((where, {name: _parse_cell(where, name, text) for name, text in row.items()}))
    return rows


def _parse_cell(where: str, name: str, text: str) -> Any:
    """A cell converted to the option's type."""
    if name == _SOUNDS and "=" in text:
        return _parse_sounds(f"{where}: {name}", text)
    kinds = str(KNOWN[name].type).split(" | ") if name in KNOWN else ["str"]
    try:
        if "str" in kinds:
            return text
        if "bool" in kinds:
            return _BOOL[text.lower()]
        return int(text) if "int" in kinds else float(text)
    except (KeyError, ValueError):
        raise ConfigError(f"{where}: {name} must be {kinds[0]}, got '{text}'") from None


def _parse_sounds(where: str, text: str) -> dict[str, str]:
    """Face -> sound, from ``FACE=SOUND;FACE=SOUND``."""
    sounds: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        face, sound = (side.strip() for side in (*part.split("=", 1), "")[:2])
        if not sound:
            raise ConfigError(f"{where}: '{face}' has no sound; write {face}=SOUND")
        if face in sounds:
            raise ConfigError(f"{where}: {face} is given twice; give each face once")
        sounds[face] = sound
    return sounds


def _yaml_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        found = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ConfigError(f"{path}: is not a list of dubs; start each with '- face: a.mp4'")
    named = [(f"{path}: entry {number}", row) for number, row in enumerate(found, start=1)]
    return [
        (where, {str(k).replace("-", "_"): v for k, v in row.items() if v is not None})
        for where, row in named
    ]


def _parse_row(folder: Path, where: str, row: dict[str, Any], common: dict[str, Any]) -> Entry:
    sounds = row.get(_SOUNDS)
    for name in _FILES:
        if not isinstance(row.get(name), str) and (name != "audio" or not isinstance(sounds, dict)):
            raise ConfigError(f"{where}: has no {name}")
    face, output = folder / row["face"], folder / row["output"]
    audio = folder / row["audio"] if row.get("audio") else None
    own = checked_settings(where, {k: v for k, v in row.items() if k not in _FILES})
    own |= {name: folder / own[name] for name in _PATHS if name in own}
    if isinstance(sounds, dict):
        own[_SOUNDS] = {face: folder / str(sound) for face, sound in sounds.items()}
    for name in _NAMES_OR_PATHS:
        if name in own and (folder / own[name]).exists():
            own[name] = folder / own[name]
    options = common | own
    try:
        _, encoding = sorted_options(options)
        check_output(output, encoding, face, audio)
    except LipsyncError as error:
        raise ConfigError(f"{where}: {error}") from None
    return Entry(where, face, audio, output, options)
