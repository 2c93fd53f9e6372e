"""``dub_batch``: a list of dubs in one process, which goes on where it was interrupted."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from lipsync.dubbing.lips import load_generator
from lipsync.dubbing.options import KNOWN, Options, checked_settings, sorted_options
from lipsync.dubbing.parts import face_sounds
from lipsync.dubbing.pictures import check_output
from lipsync.dubbing.pipeline import Progress, dub
from lipsync.dubbing.result import DubResult
from lipsync.errors import ConfigError, LipsyncError
from lipsync.media import check_target, whole_file
from lipsync.media.files import naming_target
from lipsync.plain import Plain
from lipsync.tables import read_rows, read_text

_FILES = ("face", "audio", "output")
_SOUNDS = "faces"  # where it is a mapping to sounds, an audio may be left out
_PATHS = ("tracks", "reference", "driver", "curves")  # options that are files, too
_NAMES_OR_PATHS = ("model", "enhance")
_BOOL = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A dub of the list: ``where`` it stands, its files, its options."""

    where: str
    face: Path
    audio: Path | None
    output: Path
    options: dict[str, Any]


@dataclass
class BatchResult(Plain):
    """What a list came to.

    Attributes:
        path: the list.
        done: what was dubbed now.
        skipped: outputs that an earlier run had made.
        failed: a line for each that could not be dubbed: where it stands, and why.
    """

    path: Path
    done: list[DubResult] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{len(self.done)} dubbed, {len(self.skipped)} there already"
        return "\n".join(
            [*map(str, self.done), f"{self.path}: {counts}, {len(self.failed)} failed"]
        )


def dub_batch(path: str | Path, *, progress: Progress | None = None, **options: Any) -> BatchResult:
    """Make all dubs of a list, loading each model once.

    Finished dubs with the same options and files are skipped; ``LIST.done.json`` records them. A
    failed dub does not stop the others.

    Args:
        path: a CSV file with the columns face, audio, output and any option of :func:`dub`, or a
            YAML file, a list of mappings with such keys; relative paths are relative to it.
        progress: called with (which dub of how many, frames done, frames in all or None).
        **options: for all dubs; those in the list override them.

    Raises:
        MediaError, ConfigError: a list that cannot be read, or with invalid options; nothing is
            dubbed then.
    """
    path = Path(path)
    entries = read_batch(path, options)
    ledger = _Ledger(path.with_suffix(".done.json"))
    models: dict[tuple[str, str], nn.Module] = {}
    result = BatchResult(path)
    for number, entry in enumerate(entries, start=1):
        if ledger.holds(entry):
            result.skipped.append(entry.output)
            continue

        def report(_: str, done: int, total: int | None, n: int = number, e: Entry = entry) -> None:
            if progress is not None:
                progress(f"{n} of {len(entries)}: {e.output.name}", done, total)

        try:
            network = _loaded(entry.options, models)
            given = entry.options | {"model": network, "progress": report}
            result.done.append(dub(entry.face, entry.audio, entry.output, **given))
        except LipsyncError as error:
            result.failed.append(f"{entry.where}: {error}")
        except Exception as error:  # whatever it is, the rest of the night's work goes on
            _log.exception("%s", entry.where)
            problem = " ".join(f"{type(error).__name__}: {error}".split())
            result.failed.append(f"{entry.where}: failed unexpectedly ({problem})")
        else:
            ledger.add(entry)
    return result


def _loaded(options: dict[str, Any], models: dict[tuple[str, str], nn.Module]) -> nn.Module:
    """The generator that options name; one is kept, as lists are mostly of one."""
    model = options.get("model", Options.model)
    if isinstance(model, nn.Module):
        return model
    key = str(model), options.get("device", Options.device)
    if key not in models:
        models.clear()
        network, name = load_generator(*key)
        setattr(network, "name", name)  # noqa: B010 a module has no such attribute for mypy
        models[key] = network
    return models[key]


# ---------------------------------------------------------------- the list


def read_batch(path: Path, common: dict[str, Any]) -> list[Entry]:
    """The dubs of a list, checked as far as that needs no media.

    Args:
        path: the list.
        common: options of all dubs, which those of the list override.

    Raises:
        MediaError, ConfigError: the message names the line, or the entry of a YAML file.
    """
    rows = _yaml_rows(path) if path.suffix.lower() in (".yaml", ".yml") else _csv_rows(path)
    if not rows:
        raise ConfigError(f"{path}: lists nothing to dub")
    entries: list[Entry] = []
    outputs: dict[Path, str] = {}
    for where, row in rows:
        entry = _entry(path.parent, where, row, common)
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
    if lacking := [name for name in _FILES if name not in names]:
        raise ConfigError(
            f"{path}: its header has no column {lacking[0]}; add it (see docs/dubbing.md)"
        )
    rows = []
    for number, cells in lines:
        where = f"{path}: line {number}"
        if len(cells) > len(names):
            raise ConfigError(f"{where}: has {len(cells)} cells, but the header has {len(names)}")
        row = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
        rows.append((where, {name: _value(where, name, text) for name, text in row.items()}))
    return rows


def _value(where: str, name: str, text: str) -> Any:
    """A cell as the option takes it."""
    kinds = str(KNOWN[name].type).split(" | ") if name in KNOWN else ["str"]
    try:
        if "str" in kinds:
            return text
        if "bool" in kinds:
            return _BOOL[text.lower()]
        return int(text) if "int" in kinds else float(text)
    except (KeyError, ValueError):
        raise ConfigError(f"{where}: {name} must be {kinds[0]}, got '{text}'") from None


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


def _entry(folder: Path, where: str, row: dict[str, Any], common: dict[str, Any]) -> Entry:
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


# ---------------------------------------------------------------- what is done


class _Ledger:
    """Which dubs are done: a row an output, with what it was made of."""

    def __init__(self, path: Path) -> None:
        check_target(path)
        self.path = path
        try:
            self._rows = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self._rows = {}  # all is made again

    def holds(self, entry: Entry) -> bool:
        return entry.output.exists() and self._rows.get(str(entry.output)) == _state(entry)

    def add(self, entry: Entry) -> None:
        self._rows[str(entry.output)] = _state(entry)
        with whole_file(self.path) as temporary, naming_target(self.path):
            temporary.write_text(json.dumps(self._rows, indent=1) + "\n", encoding="utf-8")


def _state(entry: Entry) -> dict[str, Any]:
    """Options and files of a dub, and when those were changed."""
    options = {name: str(value) for name, value in sorted(entry.options.items())}
    files = [entry.face, entry.output, *face_sounds(entry.options.get(_SOUNDS, ""))]
    files += [entry.audio] if entry.audio is not None else []
    files += [Path(options[name]) for name in (*_PATHS, *_NAMES_OR_PATHS) if name in options]
    stamps = {}
    for file in files:
        if file.is_file():
            stat = file.stat()
            stamps[str(file)] = [stat.st_size, stat.st_mtime_ns]
    return {"options": options, "files": stamps}
