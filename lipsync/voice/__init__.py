"""Voices: speech taken apart and put together, converted by a network or matched to another."""

from lipsync.voice.command import Converted, convert_file
from lipsync.voice.conversion import convert
from lipsync.voice.matching import match_voice
from lipsync.voice.vocoder import Speech, analyse, synthesise

__all__ = [
    "Converted",
    "Speech",
    "analyse",
    "convert",
    "convert_file",
    "match_voice",
    "synthesise",
]
