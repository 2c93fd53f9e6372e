"""Subtitles given by the user instead of a stage's result, and output subtitles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lipsync.errors import ConfigError, MediaError, StageError
from lipsync.languages import LANGUAGES
from lipsync.media import check_target
from lipsync.translation.job import TranslationJob
from lipsync.translation.segments import Segment, Transcript
from lipsync.translation.subtitles import Cue, read_subtitles, write_subtitles
from lipsync.translation.transcript import load_transcript, save_transcript
from lipsync.translation.work import digest, file_digest, load, save

_SLACK = 0.5  # seconds by which a cue may start after the end of the video


def import_transcript(job: TranslationJob) -> tuple[Transcript, int]:
    """``transcript.json`` from ``--transcript``; later corrections in it are kept."""
    path, given = job.work / "transcript.json", Path(job.options.transcript)
    cues = _cues(job, given)
    language = job.options.source or _language_of(given)
    if language is None:
        raise ConfigError(f"{given} states no language; set it with --from, e.g. --from en")
    made_from = digest(job.video_digest, "subtitles", file_digest(given), language)
    if path.exists():
        transcript, before, edited = load_transcript(path)
        if before == made_from:
            return transcript, 0
        if edited:
            problem = f"{path} was corrected by hand, and {given} is another transcript"
            raise StageError(
                "recognise", problem, "delete the corrected one, or leave out --transcript"
            )
    save_transcript(path, Transcript(language, tuple(_segments(cues))), made_from)
    return load_transcript(path)[0], 1


def import_translation(
    job: TranslationJob, transcript: Transcript | None
) -> tuple[Transcript, list[str]]:
    """The lines of ``--subtitles``, each with the source text spoken at its time.

    Without a transcript the source texts are empty.
    """
    cues = _cues(job, Path(job.options.subtitles))
    segments = transcript.segments if transcript is not None else ()
    sources = [
        " ".join(
            s.text for s in segments if _overlap(s, cue) > 0.5 * min(s.seconds, cue.end - cue.start)
        )
        for cue in cues
    ]
    unused = [
        number
        for number, segment in enumerate(segments, start=1)
        if segment.text and not any(_overlap(segment, cue) > 0 for cue in cues)
    ]
    if unused:
        job.notes.append(
            f"{job.options.subtitles} has nothing for {len(unused)} lines of the transcript, which "
            f"stay silent: {', '.join(map(str, unused[:10]))}{' ...' if len(unused) > 10 else ''}"
        )
    lines = [replace(s, text=source) for s, source in zip(_segments(cues), sources, strict=True)]
    language = transcript.language if transcript is not None else job.options.source or ""
    return Transcript(language, tuple(lines)), [cue.text for cue in cues]


def _cues(job: TranslationJob, path: Path) -> list[Cue]:
    """Cues of a file, cut at the end of the video.

    Raises:
        MediaError: as :func:`read_subtitles`, or a cue starts after the end of the video.
    """
    cues, end = read_subtitles(path), job.seconds()
    late = next((cue for cue in cues if cue.start > end + _SLACK), None)
    if late is not None:
        problem = (
            f"line {late.line}: starts at {late.start:.2f} s, but {job.video} ends at {end:.2f} s"
        )
        raise MediaError(path, problem, "use the subtitles of this video")
    return [replace(cue, end=min(cue.end, end)) for cue in cues if cue.start < end]


def _segments(cues: Sequence[Cue]) -> list[Segment]:
    return [Segment(cue.start, cue.end, cue.text) for cue in cues]


def _overlap(segment: Segment, cue: Cue) -> float:
    return min(segment.end, cue.end) - max(segment.start, cue.start)


def _language_of(path: Path) -> str | None:
    """The language in a name such as ``talk.en.srt``."""
    code = Path(path.stem).suffix[1:].lower()
    return code if code in LANGUAGES else None


def subtitle_path(output: Path, language: str, suffix: str) -> Path:
    """``talk-es.mp4`` -> ``talk-es.es.srt``, a name that players recognise."""
    return output.with_suffix(f".{language}.{suffix}")


def save_subtitles(
    job: TranslationJob, output: Path, language: str, cues: Sequence[Cue]
) -> list[Path]:
    """Write subtitles beside the output, unless that would overwrite a user's own file."""
    path = subtitle_path(output, language, job.options.write_subtitles)
    ledger = job.work / "subtitles.json"
    rows = load(ledger, "files")["files"] if ledger.exists() else []
    if path.exists() and {"file": path.name, "made": file_digest(path)} not in rows:
        job.notes.append(
            f"{path} was edited by hand and is kept; delete it to have it rewritten, or pass it "
            "with --transcript or --subtitles"
        )
        return []
    check_target(path)
    write_subtitles(path, cues)
    rows = [row for row in rows if row.get("file") != path.name]
    save(ledger, {}, "files", [*rows, {"file": path.name, "made": file_digest(path)}])
    return [path]
