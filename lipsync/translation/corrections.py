"""Corrections from outside: a file saved by the proof-reading page, or texts by line number.
They are written into the files of the work folder, where a person would edit them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lipsync.errors import ConfigError, MediaError
from lipsync.translation.job import TranslationJob
from lipsync.translation.options import Options
from lipsync.translation.work import Row, load, save

_REMEDY = "save it again on the page that --proof writes"


@dataclass(frozen=True)
class Correction:
    """The correction of a line.

    Attributes:
        line: its number, from 1.
        text, source: the new translation and source text; ``None`` to keep the old one.
        old_text, old_source: the texts before the correction; ``None`` accepts any.
    """

    line: int
    text: str | None = None
    source: str | None = None
    old_text: str | None = None
    old_source: str | None = None


def read_corrections(options: Options, folder: Path) -> list[Correction]:
    """The corrections in ``options.correct``, or in the file that it names.

    Args:
        options: the options of the translation.
        folder: the folder of the target language, ``<work>/<to>``.

    Raises:
        ConfigError: nothing is translated yet, or an invalid line number.
        MediaError: the file cannot be read, or is for another language.
    """
    given = options.correct
    if not (folder / "translation.json").exists():
        raise ConfigError(
            f"nothing is translated to '{options.to}' in {folder.parent} yet; run without "
            "--correct first, or name the folder with --work"
        )
    if isinstance(given, dict):
        return [Correction(_number(number), text=_one_line(given[number])) for number in given]
    path = Path(given)
    value = load(path, "lines", _REMEDY)
    if value.get("to", options.to) != options.to:
        problem = f"corrects lines in '{value['to']}', and --to is {options.to}"
        raise MediaError(path, problem, f"use --to {value['to']}")
    return [_correction(path, k, row) for k, row in enumerate(value["lines"], start=1)]


def _number(number: object) -> int:
    if not str(number).isdigit():
        raise ConfigError(f"correct: '{number}' is not a line number; write e.g. 3=Gracias")
    return int(str(number))


def _correction(path: Path, number: int, row: Row) -> Correction:
    known = {"text": "new_text", "source": "new_source", "old_text": "text", "old_source": "source"}
    texts = {name: row[key] for name, key in known.items() if key in row}
    plain = all(isinstance(text, str) for text in texts.values())
    if not isinstance(row.get("line"), int) or not plain or not {"text", "source"} & set(texts):
        raise MediaError(path, f"correction {number} needs line, text and new_text", _REMEDY)
    return Correction(row["line"], **{name: _one_line(text) for name, text in texts.items()})


def correct_lines(job: TranslationJob) -> None:
    """Write corrections into ``transcript.json`` and ``<to>/translation.json``; idempotent.

    Raises:
        ConfigError, MediaError: as :func:`read_corrections`; or a line that does not exist or has
            changed since it was corrected. Nothing is written then.
    """
    path, heard = job.folder / "translation.json", job.work / "transcript.json"
    corrections = read_corrections(job.options, job.folder)
    translated = load(path, "lines")
    transcript: Row = {"segments": []}
    if any(correction.source is not None for correction in corrections):
        if job.options.subtitles is not None:
            problem = f"the transcript cannot be corrected with --subtitles {job.options.subtitles}"
            raise ConfigError(f"{problem}; correct only the translation, or {heard}")
        transcript = load(heard, "segments")
    for one in corrections:
        row = _row(path, translated["lines"], one.line)
        if one.source is not None:
            segment = _row(heard, transcript["segments"], one.line)
            _replace(job, heard, segment, "text", one.line, one.old_source, one.source)
            if one.text is not None:
                row["source"] = one.source  # or it would be translated again
        if one.text is not None:
            _replace(job, path, row, "text", one.line, one.old_text, one.text)
    if transcript["segments"]:
        _write(heard, transcript, "segments")
    _write(path, translated, "lines")


def _row(path: Path, rows: Sequence[Row], line: int) -> Row:
    if not 1 <= line <= len(rows):
        raise ConfigError(f"no line {line}: {path} has {len(rows)} lines")
    return rows[line - 1]


def _replace(
    job: TranslationJob, path: Path, row: Row, key: str, line: int, old: str | None, new: str
) -> None:
    there = _one_line(row.get(key, ""))
    if old is not None and there not in (old, new):
        raise MediaError(
            Path(str(job.options.correct)),
            f"corrects '{old[:60]}' in line {line}, where {path} has '{there[:60]}' now",
            "write the page anew with --proof and correct that one",
        )
    row[key] = new


def _write(path: Path, value: Row, rows: str) -> None:
    save(path, {key: value[key] for key in value if key != rows}, rows, value[rows])


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
