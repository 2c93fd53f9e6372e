"""Dubs for a benchmark by any system's command: one call per clip, resumable."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.evaluation.benchmark.cache import digest
from lipsync.evaluation.benchmark.layout import SOUND, files_by_name
from lipsync.evaluation.benchmark.measures import BASELINES
from lipsync.evaluation.lists import SOUNDS
from lipsync.evaluation.progress import Progress, with_progress
from lipsync.evaluation.rows import REAL, Row, problem_of
from lipsync.evaluation.text import write_json
from lipsync.media import probe, whole_file
from lipsync.media.files import VIDEO_SUFFIXES

RECORD = "command.json"
_PLACES = ("video", "sound", "output")
_PLACE = re.compile(r"\{(" + "|".join(_PLACES) + r")\}")
_TAIL, _SHOWN = 4096, 200  # bytes read of a command's output, characters shown


def make_dubs(
    folder: str | Path,
    name: str,
    command: str,
    progress: Progress | None = None,
) -> list[Row]:
    """Dub the real videos of a benchmark folder with its new sounds into ``FOLDER/NAME``.

    Complete dubs of the same files are not made again. The command is called without a shell, once
    per clip, and succeeds if its exit code is 0 and the file can be read as a video.

    Args:
        folder: folder of a benchmark, with ``real/`` and ``sound/``.
        name: name of the system.
        command: the program and its arguments, split as by a shell, with the placeholders
            ``{video}``, ``{sound}`` and ``{output}``.
        progress: called with (clip, clips done, clips in all).

    Returns:
        A row for each clip without a dub, with the reason.

    Raises:
        ConfigError: a command that lacks these placeholders or cannot be run, a folder without
            real videos or sounds or with dubs made by another command, or no dub was made.
    """
    folder, words = Path(folder), split_command(command)
    reserved = {REAL, SOUND, *BASELINES}
    if not name or Path(name).name != name or name.startswith(".") or name in reserved:
        raise ConfigError(f"--name {name}: is not a valid folder name for a system")
    real = files_by_name(folder / REAL, VIDEO_SUFFIXES, REAL, [])
    sounds = files_by_name(folder / SOUND, SOUNDS | VIDEO_SUFFIXES, SOUND, [])
    if not real or not sounds:
        lacking = f"{REAL}/NAME.mp4" if not real else f"{SOUND}/NAME.wav, the new speech"
        raise ConfigError(f"{folder}: nothing to dub; add {lacking}")
    done, problems = _recorded_dubs(folder / name, command), []
    for clip, video in with_progress(real.items(), progress, lambda one: one[0]):
        output = folder / name / f"{clip}.mp4"
        try:
            if clip not in sounds:
                raise MediaError(video, f"no sound of this name in {SOUND}/")
            inputs = f"{_digest(video)} {_digest(sounds[clip])}"
            if output.exists() and done.get(clip) == inputs:
                continue
            output.unlink(missing_ok=True)
            _run_command(words, video, sounds[clip], output)
        except MediaError as error:
            problems.append(Row(name, clip, 0, problem=problem_of(error)))
            continue
        finally:
            with suppress(OSError):  # it is not empty
                output.parent.rmdir()
        done[clip] = inputs
        write_json(folder / name / RECORD, {"command": command, "made": done})
    if not any((folder / name / f"{clip}.mp4").exists() for clip in real):
        example = f"first {problems[0].video}: {problems[0].problem}"
        raise ConfigError(f"--command produced none of {len(real)} dubs; {example}")
    return problems


def split_command(command: str) -> list[str]:
    """The program and its arguments.

    Raises:
        ConfigError: unbalanced quotes, or a missing placeholder.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"--command {command}: {str(error).lower()}") from None
    present = {place for word in words[1:] for place in _PLACE.findall(word)}
    if missing := [f"{{{place}}}" for place in _PLACES if place not in present]:
        raise ConfigError(f"--command {command}: lacks the placeholders {', '.join(missing)}")
    return words


def _run_command(words: list[str], video: Path, sound: Path, output: Path) -> None:
    """Run the command; the dub appears only when it is complete.

    Raises:
        MediaError: the command failed, or wrote no video.
        ConfigError: the command cannot be run.
    """
    with whole_file(output) as temporary, tempfile.TemporaryFile() as log:
        files = {"video": video, "sound": sound, "output": temporary}
        places = {place: str(path.resolve()) for place, path in files.items()}
        filled = [_PLACE.sub(lambda found: places[found[1]], word) for word in words]
        try:
            exit_code = subprocess.run(
                filled, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
            ).returncode
        except OSError as error:
            raise ConfigError(f"--command: {words[0]} cannot be run ({error.strerror})") from None
        if exit_code:
            raise MediaError(output, f"the command ended with {exit_code}: {_last_line(log)}")
        if not temporary.exists():
            raise MediaError(output, f"the command wrote no file: {_last_line(log)}")
        try:
            probe(temporary)
        except LipsyncError as error:
            raise MediaError(output, f"the command wrote no video ({problem_of(error)})") from None


def _recorded_dubs(folder: Path, command: str) -> dict[str, str]:
    """Clip -> digests of the files that its dub was made from, for dubs made by this command.

    Raises:
        ConfigError: the folder holds dubs that were not made by this command.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        known, dubs = record["command"], dict(record["made"])
    except (OSError, ValueError, KeyError, TypeError):
        known, dubs = None, {}
    if known != command and files_by_name(folder, VIDEO_SUFFIXES, folder.name, []):
        whose = f"the command {known}" if known else "no command that is known"
        raise ConfigError(f"{folder}: holds dubs of {whose}; choose another --name, or delete them")
    return dubs if known == command else {}


def _digest(path: Path) -> str:
    try:
        return digest(path)
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})") from None


def _last_line(log: IO[bytes]) -> str:
    """The last line that a command printed."""
    log.seek(0, 2)
    log.seek(max(0, log.tell() - _TAIL))
    lines = log.read().decode("utf-8", "replace").split("\n")
    printed = [" ".join(line.split()) for line in lines if line.strip()]
    return printed[-1][-_SHOWN:] if printed else "it printed nothing"
