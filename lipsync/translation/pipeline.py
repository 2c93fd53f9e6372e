"""``translate``: recognise, translate, speak, convert the voice, fit, dub the lips."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lipsync.errors import ConfigError, MediaError
from lipsync.media import CONTAINERS, check_target, probe
from lipsync.plain import Plain
from lipsync.translation import stages
from lipsync.translation.corrections import correct_lines, read_corrections
from lipsync.translation.glossary import Glossary
from lipsync.translation.job import TranslationJob
from lipsync.translation.lips import move_lips
from lipsync.translation.options import STAGES, Options
from lipsync.translation.segments import Transcript
from lipsync.translation.speakers import (
    NOBODY,
    Turn,
    find_turns,
    note_invisible_speakers,
    speaker_of_lines,
)
from lipsync.translation.subtitles import Cue, read_subtitles
from lipsync.translation.track import fit_lines
from lipsync.translation.user_files import save_subtitles, subtitle_path
from lipsync.translation.voiceprints import check_speaker_model
from lipsync.translation.work import load

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, the work done, and the total if known."""


@dataclass
class TranslationResult(Plain):
    """The result of a translation.

    Attributes:
        output: the video; ``None`` if the run ended before the lips.
        work: the folder with the results of the stages.
        source, target: languages.
        lines: (start, end, original, translation) of each line; the translation is "" if the run
            ended before it.
        speakers: the speaker of each line, if requested.
        seconds: wall time of each stage that ran.
        made: number of items that each stage made in this run (lines, or 1); 0 if all existed.
        subtitles: subtitle files written.
        notes: notes for the user, one line each.
    """

    output: Path | None
    work: Path
    source: str
    target: str
    lines: list[tuple[float, float, str, str]] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    subtitles: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        who = [f"{person}: " for person in self.speakers] or [""] * len(self.lines)
        lines = zip(self.lines, who, strict=True)
        rows = [f"{start:7.2f} - {end:6.2f}  {by}{b or a}" for (start, end, a, b), by in lines]
        for stage, seconds in self.seconds.items():
            made = self.made.get(stage, 0)
            rows.append(f"{stage:<10} {seconds:6.1f} s  {made or 'nothing'} made")
        rows += [f"subtitles: {path}" for path in self.subtitles]
        rows += [f"note: {note}" for note in self.notes]
        rows.append(
            f"{self.output}: {self.source or '?'} to {self.target}, synthetic; "
            f"correct it in {self.work}"
            if self.output
            else f"stopped before the lips; correct it in {self.work} and run again"
        )
        return "\n".join(rows)


def translate(
    video: str | Path,
    output: str | Path,
    options: Options,
    *,
    work: str | Path | None = None,
    progress: Progress | None = None,
) -> TranslationResult:
    """Translate the speech in a video, and dub its lips.

    Every stage stores its result in the work folder and reuses what is there: an interrupted run
    resumes, and after a correction in ``transcript.json``, ``<to>/translation.json`` or a WAV file
    only what depends on it is made again.

    Args:
        video: a video with speech.
        output: the video to write (mp4, m4v, mov or mkv).
        options: languages, engines and limits.
        work: the work folder; by default the output's name with the suffix ``.work``.
        progress: called with (stage, done, total or None).

    Raises:
        MediaError: a video that cannot be read or has no sound, or a file of the work folder that
            an edit has made invalid.
        StageError: a stage that fails; the results of earlier stages are kept.
        ConfigError: invalid options.
    """
    video, output = Path(video), Path(output)
    work = output.with_suffix(".work") if work is None else Path(work)
    _check(video, output, work, options)
    job = TranslationJob(video, work, options)
    job.check_source()
    if options.correct is not None:
        correct_lines(job)
    result = TranslationResult(None, work, "", options.to, notes=job.notes)
    progress = progress or (lambda *_: None)

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            result.seconds[stage] = time.perf_counter() - began

    def run(stage: str, do: Callable[..., tuple[Any, int]], *given: Any) -> Any:
        with timed(stage):
            found, result.made[stage] = do(job, *given, partial(progress, stage))
        return found

    stages_to_run = STAGES[: STAGES.index(options.until) + 1]
    transcript = original = run("recognise", stages.recognise)
    if transcript is None:
        transcript = Transcript(options.source or "", ())
    texts = [""] * len(transcript.segments)
    result.source = transcript.language
    if "translate" in stages_to_run:
        transcript, texts = run("translate", stages.translate, original)
    pairs = zip(transcript.segments, texts, strict=True)
    result.lines = [(segment.start, segment.end, segment.text, text) for segment, text in pairs]
    turns: list[Turn] = []
    people = [NOBODY] * len(texts)
    if "speakers" in stages_to_run and options.speakers is not None:
        turns = run("speakers", find_turns, transcript)
        people = speaker_of_lines(turns, len(texts))
        result.speakers = people
        job.notes += note_invisible_speakers(turns)
    if "speak" in stages_to_run:
        speech = run("speak", stages.speak, texts, people)
    if "voice" in stages_to_run and any(options.voice_of(who) != "none" for who in people):
        speech = run("voice", stages.voice, transcript, people, speech)
    if "fit" in stages_to_run:
        track = run("fit", fit_lines, transcript, texts, people, speech)
    if options.write_subtitles is not None:
        result.subtitles = _write_subtitles(
            job, output, original, result.lines, "fit" in stages_to_run
        )
    if "lips" in stages_to_run:
        with timed("lips"):
            result.made["lips"] = move_lips(job, track, turns, output, progress)
        result.output = output
    return result


def _write_subtitles(
    job: TranslationJob,
    output: Path,
    original: Transcript | None,
    lines: list[tuple[float, float, str, str]],
    fitted: bool,
) -> list[Path]:
    """Write subtitles of the original (unless it was given) and of the translation."""
    written: list[Path] = []
    if original is not None and job.options.transcript is None:
        original_cues = [
            Cue(segment.start, segment.end, segment.text) for segment in original.segments
        ]
        written += save_subtitles(job, output, original.language, original_cues)
    times, ledger = [line[:2] for line in lines], job.folder / "fit.json"
    placed = load(ledger, "lines")["lines"] if fitted and ledger.exists() else []
    if len(placed) == len(lines):  # a hand-edited track has no times
        times = [(row["start"], row["end"]) for row in placed]
    new = [Cue(*time, line[3]) for time, line in zip(times, lines, strict=True)]
    if any(cue.text for cue in new):
        written += save_subtitles(job, output, job.options.to, new)
    return written


def _check(video: Path, output: Path, work: Path, options: Options) -> None:
    """Check in advance for errors that would only appear after long work."""
    info = probe(video, options.streams)
    if not info.has_audio:
        raise MediaError(video, "has no sound", "name a video with speech")
    if not info.has_video:
        raise MediaError(video, "has no video", "name a video with speech")
    check_target(output, video, suffixes=CONTAINERS)
    for path in filter(None, (options.transcript, options.subtitles)):
        read_subtitles(path)
    if options.glossary is not None:
        Glossary.read(options.glossary)
    if options.speaker_model is not None:
        check_speaker_model(options.speaker_model)
    if options.correct is not None:
        read_corrections(options, work / options.to)
    if options.source == options.to:
        raise ConfigError(
            f"--from and --to are both {options.to}; choose another language with --to"
        )
    if options.write_subtitles is not None:
        path = subtitle_path(output, options.to, options.write_subtitles)
        check_target(path, options.transcript, options.subtitles)
    if work.exists() and not work.is_dir():
        raise ConfigError(f"{work}: is a file; name a folder with --work")
