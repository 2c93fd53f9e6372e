"""Reading (leniently) and writing subtitles: SubRip (SRT) and WebVTT."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lipsync.errors import MediaError
from lipsync.media import whole_file
from lipsync.media.files import naming_target
from lipsync.tables import read_text

_TIME = r"(?:(\d+):)?(\d+):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_EXAMPLE = "e.g. 00:00:01,500 --> 00:00:04,000"
_NOTE = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
_MARKUP = re.compile(r"</?[A-Za-z][^>]*>|<[\d:.]+>|\{\\[^}]*\}")
_UNSPOKEN = re.compile(r"\[[^\]]*\]|[♪♫][^♪♫]*[♪♫]?|^\([^)]*\)$|^（[^）]*）$")  # noqa: RUF001
_DASH = re.compile(r"^\s*[-‐–—]\s*(?=\w)", re.MULTILINE)  # noqa: RUF001 - another speaker
_TOGETHER = 0.2  # seconds; overlapping cues that start within this are merged
_WIDTH = 42  # characters per line on screen


@dataclass(frozen=True)
class Cue:
    """A subtitle: ``start`` and ``end`` in seconds, text, and the line number of its times."""

    start: float
    end: float
    text: str
    line: int = 0


def read_subtitles(path: str | Path) -> list[Cue]:
    """The cues of an SRT or VTT file, in order and without overlap.

    Markup, sound descriptions ("[door]", "(laughs)", text between music notes) and cues that are
    empty without them are removed. Where cues overlap, the earlier one is cut short; those that
    start together are merged.

    Raises:
        MediaError: it cannot be read, or is not such a file; the message names the line.
    """
    path = Path(path)
    found = [(cue, _spoken_text(cue.text)) for cue in _cues(path, read_text(path).split("\n"))]
    cues: list[Cue] = []
    for cue, text in sorted(found, key=lambda pair: pair[0].start):
        if not text:
            continue
        if cue.end <= cue.start:
            _refuse(path, cue.line, "ends before it starts", "correct its times")
        cue = Cue(cue.start, cue.end, text, cue.line)
        if cues and cue.start < cues[-1].end:
            before = cues.pop()
            if cue.start - before.start < _TOGETHER:
                joined = f"{before.text} {text}"
                cue = Cue(before.start, max(before.end, cue.end), joined, before.line)
            else:
                cues.append(Cue(before.start, cue.start, before.text, before.line))
        cues.append(cue)
    if not cues:
        raise MediaError(path, "contains no line of speech", "name an SRT or VTT file with text")
    return cues


def _cues(path: Path, lines: list[str]) -> Iterator[Cue]:
    """The raw cues: each from its times up to the number of the next."""
    if lines[0].startswith("WEBVTT"):
        lines = _without_notes(path, lines)
    timed = [k for k, line in enumerate(lines) if "-->" in line]
    ends = [*timed[1:], len(lines)]
    head = lines[: timed[0] if timed else len(lines)]
    strange = [k for k, line in enumerate(head) if line.strip() and not _is_number(line)]
    last = max((k for k, line in enumerate(lines) if line.strip()), default=0)
    if _is_number(lines[last]) and not lines[last - 1].strip():
        strange.append(last)  # the file ends in the middle of a cue
    if strange:
        _refuse(path, strange[0] + 1, "belongs to no cue", f"add its times, {_EXAMPLE}")
    for k, following in zip(timed, ends, strict=False):
        text = lines[k + 1 : following]
        if following < len(lines) and text and _is_number(text[-1]):
            text.pop()
        yield Cue(*_times(path, k + 1, lines[k]), "\n".join(text), k + 1)


def _without_notes(path: Path, lines: list[str]) -> list[str]:
    """A VTT file's lines, with everything that is not a cue, and cue names, blanked."""
    kept = [""] * len(lines)
    k = 0
    while k < len(lines):
        end = next((n for n in range(k, len(lines)) if not lines[n].strip()), len(lines))
        block = lines[k:end]
        if block and not _NOTE.match(block[0]):
            begin = next((n for n, line in enumerate(block[:2]) if "-->" in line), None)
            if begin is None:
                _refuse(path, k + 1, "belongs to no cue", f"add its times, {_EXAMPLE}")
            kept[k + begin : end] = block[begin:]
        k = end + 1
    return kept


def _is_number(line: str) -> bool:
    return line.strip().isdigit()


def _times(path: Path, number: int, line: str) -> tuple[float, float]:
    match = _TIMES.fullmatch(line)
    if match is None:
        _refuse(path, number, "times cannot be read", f"write {_EXAMPLE}")
    return _seconds(match.groups()[:4]), _seconds(match.groups()[4:])


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds)
    return round(whole + float(f"0.{fraction or 0}"), 3)


def _refuse(path: Path, line: int, problem: str, remedy: str) -> NoReturn:
    raise MediaError(path, f"line {line}: {problem}", remedy)


def _spoken_text(text: str) -> str:
    """The spoken text of a cue, on one line."""
    plain = html.unescape(_MARKUP.sub("", _DASH.sub("", _MARKUP.sub("", text))))
    return " ".join(_UNSPOKEN.sub(" ", " ".join(plain.split())).split())


def write_subtitles(path: str | Path, cues: Iterable[Cue]) -> None:
    """Write SRT, or WebVTT if the name ends in ``.vtt``; cues without text are left out."""
    vtt = Path(path).suffix.lower() == ".vtt"
    blocks = ["WEBVTT\n"] if vtt else []
    for number, cue in enumerate((cue for cue in cues if cue.text), start=1):
        times = f"{_stamp(cue.start)} --> {_stamp(cue.end)}"
        shown = cue.text.replace("-->", "→")
        shown = "\n".join(textwrap.wrap(shown, _WIDTH, break_long_words=False))
        if vtt:
            blocks.append(f"{times}\n{html.escape(shown, quote=False)}\n")
        else:
            blocks.append(f"{number}\n{times.replace('.', ',')}\n{shown}\n")
    with whole_file(path) as temporary, naming_target(path):
        temporary.write_text("\n".join(blocks), encoding="utf-8")


def _stamp(seconds: float) -> str:
    whole, thousandths = divmod(round(1000 * seconds), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}"
