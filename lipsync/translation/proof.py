"""A page for proof-reading a translation: the video, its lines in both languages, and the command
that applies corrections."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lipsync.errors import ConfigError, StageError
from lipsync.languages import LANGUAGES
from lipsync.media import check_target, whole_file
from lipsync.media.files import naming_target
from lipsync.pages import render
from lipsync.translation.fit import COMFORTABLE
from lipsync.translation.glossary import missing_terms
from lipsync.translation.options import STAGES, Options
from lipsync.translation.pipeline import Progress, TranslationResult, translate
from lipsync.translation.work import Row, load

_SUFFIXES = (".html", ".htm")
_TEXTS = ("recognise", "translate")  # without these stages there is nothing to read


@dataclass(frozen=True)
class ProofLine:
    """A line of the page.

    Attributes:
        number: from 1.
        start, end: times of the original line in seconds.
        source, text: the original text, and the translation.
        by: what translated it.
        speaker: who says it, if requested.
        spoken: (start, end) in seconds of the new line; ``None`` if it is not spoken yet.
        room: seconds available for it.
        speed: playback speed, 1 being the engine's normal speed.
        doubts: what to check, in words.
    """

    number: int
    start: float
    end: float
    source: str
    text: str
    by: str
    speaker: str = ""
    spoken: tuple[float, float] | None = None
    room: float = 0.0
    speed: float = 1.0
    doubts: tuple[str, ...] = ()


def translate_with_page(
    page: str | Path,
    command: Sequence[str],
    video: str | Path,
    output: str | Path,
    options: Options,
    *,
    work: str | Path | None = None,
    progress: Progress | None = None,
) -> TranslationResult:
    """:func:`translate`, and write a page for proof-reading.

    The page is also written if lines cannot be spoken or do not fit; the error then names it.

    Args:
        page: the page to write, ``.html``; it refers to the videos by path.
        command: the arguments of the translation's command line, without corrections; the page
            shows it with them added.
        video, output, options, work, progress: as for :func:`translate`.

    Raises:
        ConfigError: a page that cannot be written; options that leave nothing to proof-read.
        MediaError, StageError, ConfigError: as :func:`translate`.
    """
    page, video, output = Path(page), Path(video), Path(output)
    if page.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"--proof {page}: name an .html file, e.g. {page.stem or 'proof'}.html")
    check_target(page, video, output)
    if options.until == STAGES[0]:
        raise ConfigError("--proof needs a translation; leave out --until recognise")
    folder = output.with_suffix(".work") if work is None else Path(work)
    try:
        result = translate(video, output, options, work=work, progress=progress)
    except StageError as error:
        if error.subject in _TEXTS:
            raise
        write_page(page, command, video, None, options, folder)
        remedy = f"{error.remedy}; the lines are on {page}"
        raise StageError(error.subject, error.problem, remedy) from None
    write_page(page, command, video, result.output, options, folder)
    result.notes.append(f"proof-read it on {page}")
    return result


def write_page(
    page: Path,
    command: Sequence[str],
    video: Path,
    dubbed: Path | None,
    options: Options,
    work: Path,
) -> None:
    """Write the page from the contents of the work folder.

    Args:
        page: the file.
        command: as for :func:`translate_with_page`.
        video, dubbed: the source, and the new video if it exists.
        options: the options of the translation.
        work: the work folder.
    """
    transcript_file = work / "transcript.json"
    source = (
        load(transcript_file, "segments").get("language")
        if transcript_file.exists()
        else options.source
    )
    corrections = page.with_suffix(".corrections.json")
    text = render(
        "proof.html.j2",
        name=video.name,
        lines=list(_lines(work, options)),
        source=source or "",
        target=options.to,
        named=lambda code: LANGUAGES[code].name if code in LANGUAGES else code,
        films={
            key: quote(Path(os.path.relpath(path, page.parent)).as_posix())
            for key, path in (("text", dubbed), ("source", video))
            if path is not None
        },
        corrects_source=options.subtitles is None,
        slowest=options.slowest,
        fastest=options.fastest,
        file=corrections.name,
        command=shlex.join([*command, "--correct", str(corrections)]),
    )
    with whole_file(page) as temporary, naming_target(page):
        temporary.write_text(text, encoding="utf-8")


def _lines(work: Path, options: Options) -> Iterator[ProofLine]:
    folder = work / options.to
    transcript_file, fitted = work / "transcript.json", folder / "fit.json"
    segments: list[Row] = []
    if options.subtitles is None:
        segments = load(transcript_file, "segments")["segments"]
    placed = load(fitted, "lines")["lines"] if fitted.exists() else []
    turns: list[Row] = []
    if options.speakers is not None:
        found = (folder if options.subtitles is not None else work) / "speakers.json"
        turns = load(found, "turns")["turns"] if found.exists() else []
    for k, row in enumerate(load(folder / "translation.json", "lines")["lines"]):
        text, source = (" ".join(str(row[key]).split()) for key in ("text", "source"))
        edited = row["text"] != row.get("made")
        doubts = [] if text else ["silent"]
        if segments and (now := " ".join(str(segments[k]["text"]).split())) != source:
            source = now
            doubts.append("what it translates has changed since it was corrected")
        terms = missing_terms(text, row.get("terms") or {}) if text else {}
        doubts += [f"'{term}' without '{target}'" for term, target in terms.items()]
        own = [turn for turn in turns if turn["line"] == k + 1]
        if own and not any(turn.get("face") for turn in own):
            doubts.append("speaker not seen")
        line: dict[str, Any] = {}
        if k < len(placed) and placed[k].get("text") == text and text:
            line = _fit_fields(placed[k], row)
            doubts += _fit_doubts(placed[k])
        yield ProofLine(
            k + 1,
            row["start"],
            row["end"],
            source,
            text,
            "corrected by hand" if edited else str(row.get("engine") or ""),
            own[0]["speaker"] if own else "",
            doubts=tuple(doubts),
            **line,
        )


def _fit_fields(place: Row, row: Row) -> dict[str, Any]:
    spoken = (place["start"], place["end"])
    room = max(row["end"] - row["start"], place["end"] - place["start"] - place["over"])
    return {"spoken": spoken, "room": room, "speed": place["speed"]}


def _fit_doubts(place: Row) -> list[str]:
    found = []
    if place["over"]:
        found.append(f"{place['over']:.1f} s too long")
        found += [f"shorter: {text}" for text in place.get("shorter", ())]
    elif place["speed"] > COMFORTABLE:
        found.append("hurried")
    return found
