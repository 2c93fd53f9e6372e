"""The options of a translation, also from a YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipsync.errors import ConfigError
from lipsync.languages import language
from lipsync.media.streams import USUAL, Streams
from lipsync.options import check_names, check_options, option, read_options_file
from lipsync.translation.engines import AUTO
from lipsync.translation.engines.base import Recogniser, Speaker, Translator, Voice

STAGES = ("recognise", "translate", "speakers", "speak", "voice", "fit", "lips")


@dataclass(frozen=True)
class Options:
    """Options of a translation.

    Attributes:
        to: target language: an ISO 639-1 code, or a code of NLLB-200.
        source: language of the video; by default it is detected.
        asr, translator, tts: engines for recognition, translation and speech, by name (``NAME`` or
            ``NAME:MODEL``, or ``auto``), or objects with the methods in
            :mod:`lipsync.translation.engines.base`.
        voice: "none", "match" (pitch and envelope shifted to the original speaker's), the path of a
            trained voice, ``PATH:SPEAKER`` if it has several, or an object. By default "match" for
            several speakers, so that their voices differ, else "none".
        speakers: number of speakers; each line is assigned to a speaker, and moves only that
            person's lips, where they are visible. By default one, whose lips move throughout.
            They are called A, B and so on, in order of their first lines; ``tts`` and ``voice`` may
            then be mappings, such as ``{"A": "espeak:es", "B": "espeak:es+f3"}``.
        speaker_model: an ONNX speaker embedding, run by sherpa-onnx, that finds the lines of one
            voice; by default cepstra and pitch distinguish voices.
        audio_stream: audio track to translate, a number from 0 or a language; others are kept. By
            default the file's default track.
        video_stream: video track to dub, a number from 0.
        slowest, fastest: limits on the speed of a line, 1 being the engine's normal speed.
        transcript: an SRT or VTT file of the speech, instead of recognition.
        subtitles: an SRT or VTT file of the translation, instead of machine translation: exactly
            its lines are spoken, at its times.
        write_subtitles: write subtitles beside the output as "srt" or "vtt".
        glossary: a CSV file with the columns source and target: terms and their translations.
        correct: corrected translations by line number, from 1, or the file saved by the
            proof-reading page.
        background: gain of the original sound without its speech, 0 to 1.
        loudness: integrated loudness (EBU R 128) of the new sound in LUFS, such as -23; by default
            each line is as loud as the one that it replaces.
        device: device of the networks.
        adapt: adapt the lip generator to the video first (:func:`lipsync.adapt.adapt`), once
            for all languages.
        until: the last stage to run, one of ``STAGES``.
        dub: options of :func:`lipsync.dubbing.dub`, such as ``model``.
    """

    to: str
    source: str | None = None
    asr: str | Recogniser = AUTO
    translator: str | Translator = AUTO
    tts: str | dict | Speaker = AUTO
    voice: str | dict | Voice | None = None
    speakers: int | None = option(None, least=1, most=26)
    speaker_model: str | Path | None = None
    audio_stream: int | str | None = option(None, least=0)
    video_stream: int | None = option(None, least=0)
    transcript: str | Path | None = None
    subtitles: str | Path | None = None
    write_subtitles: str | None = option(None, choices=("srt", "vtt"))
    glossary: str | Path | None = None
    correct: str | Path | dict | None = None
    slowest: float = option(0.9, least=0.5, most=1)
    fastest: float = option(1.4, least=1, most=2)
    background: float = option(0.0, least=0, most=1)
    loudness: float | None = option(None, least=-40, most=-5)
    device: str = "cpu"
    adapt: bool = False
    until: str = option(STAGES[-1], choices=STAGES)
    dub: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("to", "source"):
            value = getattr(self, name)
            if value is not None:
                value = "no" if value is False else str(value)  # YAML reads Norwegian as False
                object.__setattr__(self, name, language(value).code)
        check_options(self)
        if self.adapt and self.streams != USUAL:
            raise ConfigError(
                "`adapt` uses the default tracks; leave out `audio_stream` and `video_stream`"
            )
        if self.speaker_model is not None and self.speakers is None:
            raise ConfigError(
                "`speaker_model` tells several people apart; add --speakers 2 or more"
            )
        for name in ("tts", "voice"):
            if isinstance(getattr(self, name), dict) and self.speakers is None:
                raise ConfigError(
                    f"`{name}` names several people; say how many speak with --speakers"
                )

    @property
    def streams(self) -> Streams:
        """The tracks of the video to read."""
        return Streams(self.video_stream, self.audio_stream)

    def tts_of(self, person: str) -> Any:
        """The speech engine for a speaker."""
        return self.tts.get(person, AUTO) if isinstance(self.tts, dict) else self.tts

    def voice_of(self, person: str) -> Any:
        """The voice for a speaker."""
        usual = "none" if self.speakers in (None, 1) else "match"
        given = self.voice.get(person) if isinstance(self.voice, dict) else self.voice
        return usual if given is None else given


def read_options(path: str | Path | None, given: dict[str, Any]) -> Options:
    """Options from a YAML file, if any, overridden by those given.

    The file's keys are the names of :class:`Options`, with ``from`` for ``source``.

    Raises:
        ConfigError: no such file, invalid YAML, an unknown option, or an invalid value.
    """
    values = {} if path is None else read_options_file(path)
    if "from" in values:
        values["source"] = values.pop("from")
    check_names(path, values, Options.__dataclass_fields__)
    if isinstance(values.get("dub"), dict):
        from lipsync.dubbing.options import checked_settings  # late: imports PyTorch

        wanted = checked_settings(f"{path}: dub", values["dub"])
        given = given | {"dub": wanted | given.get("dub", {})}
    values = values | given
    if "to" not in values:
        raise ConfigError("no language to translate to; name one with --to, e.g. --to es")
    return Options(**values)
