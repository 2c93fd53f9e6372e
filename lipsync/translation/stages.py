"""The stages up to the speech: each turns the results of those before it into files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lipsync.errors import MediaError, StageError
from lipsync.media import read_audio
from lipsync.media.loudness import read_speech
from lipsync.translation import mixing
from lipsync.translation.engines import Choice
from lipsync.translation.engines.voices import find_voice
from lipsync.translation.glossary import Glossary
from lipsync.translation.job import Report, TranslationJob
from lipsync.translation.lines import update_translation
from lipsync.translation.segments import Transcript
from lipsync.translation.transcript import load_transcript, save_transcript
from lipsync.translation.user_files import import_transcript, import_translation
from lipsync.translation.waves import Waves
from lipsync.translation.work import Row, digest, file_digest


def recognise(job: TranslationJob, report: Report) -> tuple[Transcript | None, int]:
    """``transcript.json``: what is said, and when."""
    path, options = job.work / "transcript.json", job.options
    if options.transcript is not None:
        transcript, made = import_transcript(job)
        return _check_transcript(job, transcript, path), made
    if options.subtitles is not None:  # the original text is optional
        return load_transcript(path)[0] if path.exists() else None, 0
    engine: Choice | None = None
    if path.exists():
        transcript, made_from, edited = load_transcript(path)
        if edited:  # a hand-written transcript needs no engine
            return _check_transcript(job, transcript, path), 0
        engine = job.engine("recognise", options.asr, options.source)
        if engine.name is None or made_from == _digest(job, engine):
            return _check_transcript(job, transcript, path), 0
    engine = engine or job.engine("recognise", options.asr, options.source)
    wave = read_speech(job.video, streams=job.options.streams)
    transcript = engine.load().recognise(
        wave, options.source, lambda share: report(round(100 * share), 100)
    )
    if not transcript.segments:
        raise StageError(
            "recognise",
            f"no speech found in {job.video}",
            f"use a video with speech, or write {path} by hand",
        )
    save_transcript(path, transcript, _digest(job, engine))
    report(100, 100)
    return _check_transcript(job, load_transcript(path)[0], path), 1


def _digest(job: TranslationJob, engine: Choice) -> str:
    return digest(job.video_digest, engine.name, job.options.source)


def _check_transcript(job: TranslationJob, transcript: Transcript, path: Path) -> Transcript:
    declared = job.options.source
    if not any(segment.text for segment in transcript.segments):
        raise StageError(
            "recognise", f"{path} holds no text", "delete it to have the video transcribed again"
        )
    if declared is not None and transcript.language != declared:
        raise StageError(
            "recognise",
            f"according to {path} the speech is in '{transcript.language}', but --from is "
            f"'{declared}'",
            f"set --from {transcript.language}, or correct the file",
        )
    if transcript.doubt:
        raise StageError(
            "recognise",
            f"the speech in {job.video} may not be '{transcript.language}': {transcript.doubt}",
            "set its language with --from and a model that knows it, e.g. --asr whisper:small; "
            f"or correct {path} (or clear its doubt) and run again",
        )
    if transcript.language == job.options.to:
        raise StageError(
            "translate",
            f"{job.video} is already in '{transcript.language}'",
            "choose another language with --to",
        )
    return transcript


def translate(
    job: TranslationJob, transcript: Transcript | None, report: Report
) -> tuple[tuple[Transcript, list[str]], int]:
    """``<to>/translation.json``: every line in the target language, and the original lines."""
    glossary = Glossary.read(job.options.glossary) if job.options.glossary is not None else None
    if job.options.subtitles is not None:
        transcript, given = import_translation(job, transcript)
        wanted = [{"engine": "subtitles", "made": text} for text in given]
        translate_line: Callable[[int], str] = given.__getitem__
    else:
        wanted, translate_line = _plan_translation(job, transcript, glossary)
    sources = [segment.text for segment in transcript.segments]
    wanted = [{"source": source} | row for source, row in zip(sources, wanted, strict=True)]
    path = job.folder / "translation.json"
    texts, made, notes = update_translation(
        path, transcript.segments, wanted, translate_line, report
    )
    job.notes += notes
    if glossary is not None:
        job.notes += glossary.report(sources, texts)
    if not any(texts):
        raise StageError("translate", f"{path} holds no text", "correct it")
    return (transcript, texts), made


def _plan_translation(
    job: TranslationJob, transcript: Transcript, glossary: Glossary | None
) -> tuple[list[Row], Callable[[int], str]]:
    """What each translation depends on, and a function that translates line k.

    Without an engine, any existing translation of the same text is reused.
    """
    source, target, segments = transcript.language, job.options.to, transcript.segments
    engine = job.engine("translate", job.options.translator, source)
    engine_fields = {"engine": engine.name} if engine.name is not None else {}

    def translate_text(text: str) -> str:
        return engine.load().translate(text, source, target)

    def translate_line(number: int) -> str:
        text = segments[number].text
        return (
            translate_text(text) if glossary is None else glossary.translate(text, translate_text)
        )

    terms_of = glossary.terms_in if glossary is not None else lambda _: {}
    return [
        engine_fields | {"terms": terms_of(segment.text)} for segment in segments
    ], translate_line


def speak(
    job: TranslationJob, texts: Sequence[str], people: Sequence[str], report: Report
) -> tuple[list[Path | None], int]:
    """``<to>/speech/001.wav`` onwards: every line spoken by its speaker's engine, at its natural
    length."""
    target = job.options.to
    engines = {who: job.engine("speak", job.options.tts_of(who), None) for who in people}

    def speak_line(number: int) -> tuple[np.ndarray, int]:
        engine = engines[people[number]]
        wave, rate = engine.load().speak(texts[number], target)
        if not mixing.trim(np.asarray(wave, np.float32), rate).size:
            raise StageError(
                "speak",
                f"{engine.name} produced no sound for line {number + 1}: {texts[number][:60]}",
                "write it in the script of its language, or use another --tts",
            )
        return wave, rate

    names = [engines[who].name for who in people]
    engine_fields = [{"engine": name} if name is not None else {} for name in names]
    wanted: list[Row | None] = [
        {"text": text, "language": target} | own if text else None
        for text, own in zip(texts, engine_fields, strict=True)
    ]
    waves = Waves(job.folder / "speech", ["text", "language"])
    paths = waves.update(wanted, speak_line, report)
    job.notes += waves.notes
    return paths, waves.made


def voice(
    job: TranslationJob,
    transcript: Transcript,
    people: Sequence[str],
    speech: Sequence[Path | None],
    report: Report,
) -> tuple[list[Path | None], int]:
    """``<to>/voice/001.wav`` onwards: the lines in the voices of the original speakers."""
    options, segments = job.options, transcript.segments
    voices = {
        who: find_voice(options.voice_of(who), options.device)
        for who in people
        if options.voice_of(who) != "none"
    }
    original = job.original(transcript)
    own = {who: [k for k, other in enumerate(people) if other == who] for who in voices}
    references = {who: np.concatenate([original[k] for k in lines]) for who, lines in own.items()}
    references_digest = {
        who: digest(job.video_digest, [[segments[k].start, segments[k].end] for k in lines])
        for who, lines in own.items()
    }

    def convert_line(number: int) -> tuple[np.ndarray, int]:
        who, wave = people[number], read_audio(speech[number], mixing.RATE)
        try:
            return voices[who][1]().convert(wave, mixing.RATE, references[who]), mixing.RATE
        except MediaError as error:
            raise StageError(
                "voice", f"line {number + 1} cannot be converted ({error})", "use --voice none"
            ) from None

    wanted: list[Row | None] = [
        {"speech": file_digest(path), "reference": references_digest[who], "engine": voices[who][0]}
        if path and who in voices
        else None
        for path, who in zip(speech, people, strict=True)
    ]
    waves = Waves(job.folder / "voice", ["speech"])
    paths = waves.update(wanted, convert_line, report)
    job.notes += waves.notes
    return [new or old for new, old in zip(paths, speech, strict=True)], waves.made
