"""The stages up to the speech: each from the results of those before it to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lipsync.errors import MediaError, StageError
from lipsync.media import read_audio
from lipsync.media.loudness import read_speech
from lipsync.translation import mixing
from lipsync.translation.engines import Choice
from lipsync.translation.engines.voices import find_voice
from lipsync.translation.job import Report, TranslationJob
from lipsync.translation.lines import update_translation
from lipsync.translation.segments import Transcript
from lipsync.translation.transcript import load_transcript, save_transcript
from lipsync.translation.waves import Waves
from lipsync.translation.work import Row, digest, file_digest


def recognise(job: TranslationJob, report: Report) -> tuple[Transcript, int]:
    """``transcript.json``: what is said, and when."""
    path, options = job.work / "transcript.json", job.options
    engine: Choice | None = None
    if path.exists():
        transcript, made_from, edited = load_transcript(path)
        if edited:  # no engine need be installed to use a transcript that was written by hand
            return _checked(job, transcript, path), 0
        engine = job.engine("recognise", options.recogniser, options.source)
        if engine.name is None or made_from == _digest(job, engine):
            return _checked(job, transcript, path), 0
    engine = engine or job.engine("recognise", options.recogniser, options.source)
    wave = read_speech(job.video)
    transcript = engine.load().recognise(
        wave, options.source, lambda share: report(round(100 * share), 100)
    )
    if not transcript.segments:
        raise StageError(
            "recognise",
            f"no speech found in {job.video}",
            f"name a video in which someone speaks, or write {path} by hand",
        )
    save_transcript(path, transcript, _digest(job, engine))
    report(100, 100)
    return _checked(job, load_transcript(path)[0], path), 1


def _digest(job: TranslationJob, engine: Choice) -> str:
    return digest(job.video_digest, engine.name, job.options.source)


def _checked(job: TranslationJob, transcript: Transcript, path: Path) -> Transcript:
    declared = job.options.source
    if not any(segment.text for segment in transcript.segments):
        raise StageError("recognise", f"{path} holds no text", "delete it to hear the video again")
    if declared is not None and transcript.language != declared:
        raise StageError(
            "recognise",
            f"the speech is in '{transcript.language}' by {path}, and was declared '{declared}'",
            f"declare --from {transcript.language}, or correct the file",
        )
    if transcript.doubt:
        raise StageError(
            "recognise",
            f"the speech in {job.video} is perhaps not '{transcript.language}': {transcript.doubt}",
            "declare its language with --from and name a recogniser that knows it, e.g. "
            f"--recogniser whisper:small; or correct {path} (or empty its doubt) and run again",
        )
    if transcript.language == job.options.to:
        raise StageError(
            "translate",
            f"{job.video} is in '{transcript.language}' already",
            "name another language with --to",
        )
    return transcript


def translate(job: TranslationJob, transcript: Transcript, report: Report) -> tuple[list[str], int]:
    """``<to>/translation.json``: every line in the other language."""
    source, target = transcript.language, job.options.to
    engine = job.engine("translate", job.options.translator, source)

    def one(text: str) -> str:
        return engine.load().translate(text, source, target)

    path = job.folder / "translation.json"
    texts, made, notes = update_translation(path, transcript.segments, engine.name, one, report)
    job.notes += notes
    if not any(texts):
        raise StageError("translate", f"{path} holds no text", "correct it")
    return texts, made


def speak(
    job: TranslationJob, texts: Sequence[str], report: Report
) -> tuple[list[Path | None], int]:
    """``<to>/speech/001.wav`` and on: every line spoken, each as long as it comes."""
    target = job.options.to
    engine = job.engine("speak", job.options.speaker, None)

    def one(number: int) -> tuple[np.ndarray, int]:
        wave, rate = engine.load().speak(texts[number], target)
        if not mixing.trim(np.asarray(wave, np.float32), rate).size:
            raise StageError(
                "speak",
                f"{engine.name} made no sound of line {number + 1}: {texts[number][:60]}",
                "write it in the letters of its language, or use another --speaker",
            )
        return wave, rate

    by = {"engine": engine.name} if engine.name is not None else {}
    wanted: list[Row | None] = [
        {"text": text, "language": target} | by if text else None for text in texts
    ]
    waves = Waves(job.folder / "speech", ["text", "language"])
    paths = waves.update(wanted, one, report)
    job.notes += waves.notes
    return paths, waves.made


def voice(
    job: TranslationJob, transcript: Transcript, speech: Sequence[Path | None], report: Report
) -> tuple[list[Path | None], int]:
    """``<to>/voice/001.wav`` and on: the lines in the voice of the original speaker."""
    name, load_voice = find_voice(job.options.voice, job.options.device)
    reference = np.concatenate(job.original(transcript))
    of = digest(job.video_digest, [[s.start, s.end] for s in transcript.segments])

    def one(number: int) -> tuple[np.ndarray, int]:
        wave = read_audio(speech[number], mixing.RATE)
        try:
            return load_voice().convert(wave, mixing.RATE, reference), mixing.RATE
        except MediaError as error:
            raise StageError(
                "voice", f"line {number + 1} cannot be converted ({error})", "use --voice none"
            ) from None

    wanted: list[Row | None] = [
        {"speech": file_digest(path), "reference": of, "engine": name} if path else None
        for path in speech
    ]
    waves = Waves(job.folder / "voice", ["speech"])
    paths = waves.update(wanted, one, report)
    job.notes += waves.notes
    return paths, waves.made
