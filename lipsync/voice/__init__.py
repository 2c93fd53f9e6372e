"""Voices: a vocoder, voice conversion by a network, and voice matching without training."""

from lipsync.voice.command import ConversionResult, convert_file
from lipsync.voice.conversion import convert
from lipsync.voice.matching import match_voice
from lipsync.voice.vocoder import Speech, analyse, synthesise

__all__ = [
    "ConversionResult",
    "Speech",
    "analyse",
    "convert",
    "convert_file",
    "match_voice",
    "synthesise",
]
