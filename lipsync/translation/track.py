"""The stage that fits the lines into ``track.wav``, the new sound of the video."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from lipsync.errors import StageError
from lipsync.media import read_audio, whole_file, write_audio
from lipsync.translation import mixing
from lipsync.translation.fit import PlacedLine, fit
from lipsync.translation.job import Report, TranslationJob
from lipsync.translation.segments import Transcript
from lipsync.translation.shorter import letters_over, suggest_shorter
from lipsync.translation.stretch import stretch
from lipsync.translation.work import Row, digest, file_digest, load, save


def fit_lines(
    job: TranslationJob,
    transcript: Transcript,
    texts: Sequence[str],
    people: Sequence[str],
    speech: Sequence[Path | None],
    report: Report,
) -> tuple[Path, int]:
    """``<to>/track.wav``: the new sound of the video, and ``fit.json``: how each line fits.

    For several speakers also ``<to>/track-A.wav`` and so on, each with one speaker's lines.
    """
    track, ledger = job.folder / "track.wav", job.folder / "fit.json"
    options = job.options
    slots = [(segment.start, segment.end) for segment in transcript.segments]
    inputs = digest(
        job.video_digest,
        slots,
        [file_digest(path) if path else "" for path in speech],
        [options.slowest, options.fastest, options.background],
        *([list(people)] if options.speakers is not None else []),
    )
    old = load(ledger, "lines") if ledger.exists() else {}
    by_hand = track.exists() and file_digest(track) != old.get("made")
    complete = track.exists() and all(
        path.exists() for path in speaker_tracks(job, people).values()
    )
    if by_hand:
        job.notes.append(f"{track} was edited by hand and is kept; delete it to have it made anew")
    if complete and (by_hand or inputs == old.get("inputs")):
        return track, 0

    waves = [
        mixing.trim(read_audio(path, mixing.RATE), mixing.RATE) if path else np.zeros(0, np.float32)
        for path in speech
    ]
    total = job.seconds()
    placed = fit(
        slots,
        [len(wave) / mixing.RATE for wave in waves],
        total,
        slowest=options.slowest,
        fastest=options.fastest,
    )
    rows = [
        {"text": text} | _rounded_fields(place) for text, place in zip(texts, placed, strict=True)
    ]
    too_long = [number for number, place in enumerate(placed) if place.over]
    if not by_hand:
        track.unlink(missing_ok=True)  # it is outdated
    if too_long:
        shorter = suggest_shorter(job, transcript, texts, placed)
        rows = [
            row | {"shorter": shorter[k]} if k in shorter else row for k, row in enumerate(rows)
        ]
        save(ledger, {"inputs": "", "made": ""}, "lines", rows)
        raise _overflow(job, texts, placed, too_long, shorter)
    stretched = []
    for number, (wave, place) in enumerate(zip(waves, placed, strict=True), start=1):
        stretched.append(stretch(wave, mixing.RATE, place.speed))
        report(number, len(waves))
    mixed = _mix_lines(job, transcript, people, stretched, placed, round(total * mixing.RATE))
    if by_hand:
        return track, 1
    if options.background:
        rest = mixing.background(job.sound(), slots)[: len(mixed)]
        mixed[: len(rest)] += options.background * rest
    with whole_file(track) as temporary:
        write_audio(temporary, mixed, mixing.RATE)
        # fit.json first: a track that it does not list would count as edited by hand
        save(ledger, {"inputs": inputs, "made": file_digest(temporary)}, "lines", rows)
    return track, 1


def _mix_lines(
    job: TranslationJob,
    transcript: Transcript,
    people: Sequence[str],
    lines: Sequence[np.ndarray],
    placed: Sequence[PlacedLine],
    samples: int,
) -> np.ndarray:
    """All lines at their times, each speaker's at their original level, float32 (samples,); also
    writes each speaker's own track if there are several."""
    original, mixed = job.original(transcript), np.zeros(samples, np.float32)
    files = speaker_tracks(job, people)
    for who in dict.fromkeys(people):
        own = [k for k, other in enumerate(people) if other == who]
        loud = mixing.level([original[k] for k in own])
        starts = [placed[k].start for k in own]
        speaker_track = mixing.assemble([lines[k] for k in own], starts, samples, loud)
        mixed += speaker_track
        if who in files:
            with whole_file(files[who]) as temporary:
                write_audio(temporary, speaker_track, mixing.RATE)
    return np.clip(mixed, -1.0, 1.0)


def speaker_tracks(job: TranslationJob, people: Sequence[str]) -> dict[str, Path]:
    """Speaker -> file with only their lines; empty if speakers were not requested."""
    if job.options.speakers is None:
        return {}
    return {who: job.folder / f"track-{who}.wav" for who in dict.fromkeys(people)}


def _rounded_fields(place: PlacedLine) -> Row:
    return {name: round(value, 3) for name, value in asdict(place).items()}


def _overflow(
    job: TranslationJob,
    texts: Sequence[str],
    placed: Sequence[PlacedLine],
    too_long: Sequence[int],
    shorter: dict[int, list[str]],
) -> StageError:
    first = too_long[0]
    place, text = placed[first], texts[first]
    also = "" if len(too_long) == 1 else f" (and {len(too_long) - 1} other lines, see fit.json)"
    lasts = place.end - place.start
    remedy = (
        f"say it with {letters_over(text, place)} of its {len(text)} letters less in "
        f"{job.folder / 'translation.json'}"
    )
    if shorter.get(first):
        remedy = f"shorter: --correct {first + 1}={shlex.quote(shorter[first][0])}; or {remedy}"
    return StageError(
        "fit",
        f"line {first + 1} takes {lasts:.1f} s at {place.speed:.2g} times its speed, but only "
        f"{lasts - place.over:.1f} s are free{also}: {text[:60]}",
        f"{remedy}, or allow faster speech with --fastest",
    )
