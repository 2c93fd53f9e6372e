"""The command ``lipsync voice``: convert a file to another voice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from lipsync.checkpoints import load_model
from lipsync.devices import to_device
from lipsync.errors import ConfigError
from lipsync.media import check_target, read_audio, write_audio
from lipsync.plain import Plain
from lipsync.voice.conversion import convert
from lipsync.voice.matching import match_voice
from lipsync.voice.pitch import SAMPLE_RATE


@dataclass(frozen=True)
class ConversionResult(Plain):
    """The output of a conversion, and how long it took."""

    output: str
    voice: str
    seconds: float
    seconds_taken: float

    def __str__(self) -> str:
        return (
            f"{self.output}: {self.seconds:.1f} s in the voice of {self.voice}, "
            f"made in {self.seconds_taken:.1f} s"
        )


def convert_file(
    audio: str | Path,
    output: str | Path,
    *,
    model: str | Path | None = None,
    reference: str | Path | None = None,
    speaker: str | None = None,
    device: str = "cpu",
) -> ConversionResult:
    """Convert the speech of a file to another voice, and write a 16 kHz WAV.

    Args:
        audio: a sound file, or a video with sound.
        output: the ``.wav`` to write.
        model: a voice converter, as for :func:`lipsync.checkpoints.load_model`.
        reference: instead of a model: a recording of the voice, for
            :func:`~lipsync.voice.match_voice`.
        speaker: the target, one of the model's speakers; None is the second.
        device: device of the model.

    Raises:
        LipsyncError: files that cannot be read or written, sound without a voice, a model that is
            not a voice converter, both or neither of model and reference.
    """
    if (model is None) == (reference is None):
        raise ConfigError("name a voice: a trained --model, or a recording with --reference")
    if speaker is not None and model is None:
        raise ConfigError("--speaker requires --model; a --reference has only one voice")
    if Path(output).suffix.lower() != ".wav":
        raise ConfigError(f"{output}: the sound is written as WAV; name a .wav file")
    check_target(output, audio, reference)
    start = time.perf_counter()
    if model is not None:
        converter = to_device(load_model(model), device)
        wave = read_audio(audio, SAMPLE_RATE)
        made = convert(wave, SAMPLE_RATE, converter, speaker, name=str(audio))
        voice = speaker or converter.speakers[1]
    else:
        wave, other = read_audio(audio, SAMPLE_RATE), read_audio(reference, SAMPLE_RATE)
        names = {"name": str(audio), "reference_name": str(reference)}
        made, voice = match_voice(wave, SAMPLE_RATE, other, **names), str(reference)
    write_audio(output, made, SAMPLE_RATE)
    taken = time.perf_counter() - start
    return ConversionResult(str(output), voice, len(wave) / SAMPLE_RATE, taken)
