"""Streaming decoding and encoding of video and audio by timestamp, through PyAV.

Frames are ``(seconds, rgb)`` pairs on the container's common clock, so that odd and variable frame
rates, and streams that start at different times, are handled by timestamp and not by counting
frames. Nothing passes through a shell; a path is always a local file, never a URL.
"""

from lipsync.media.encoders import CONTAINERS, PRESETS, VIDEO_CODECS
from lipsync.media.files import check_target, whole_file
from lipsync.media.frames import (
    MediaInfo,
    frame_times,
    probe,
    read_frames,
    resample_frames,
)
from lipsync.media.held import HeldFrames
from lipsync.media.kept import KeptTracks
from lipsync.media.pictures import is_animated, read_image
from lipsync.media.sequence import SequenceWriter, check_sequence, is_sequence
from lipsync.media.sound import audio_blocks, read_audio, wav_bytes, write_audio
from lipsync.media.soundtrack import (
    AUDIO_CODECS,
    LOSSLESS,
    USUAL_CODEC,
    CopiedSound,
    EncodedSound,
    Soundtrack,
    can_copy,
    sound_channels,
)
from lipsync.media.streams import Streams
from lipsync.media.writing import VideoWriter, frame_rate

__all__ = [
    "AUDIO_CODECS",
    "CONTAINERS",
    "LOSSLESS",
    "PRESETS",
    "USUAL_CODEC",
    "VIDEO_CODECS",
    "CopiedSound",
    "EncodedSound",
    "HeldFrames",
    "KeptTracks",
    "MediaInfo",
    "SequenceWriter",
    "Soundtrack",
    "Streams",
    "VideoWriter",
    "audio_blocks",
    "can_copy",
    "check_sequence",
    "check_target",
    "frame_rate",
    "frame_times",
    "is_animated",
    "is_sequence",
    "probe",
    "read_audio",
    "read_frames",
    "read_image",
    "resample_frames",
    "sound_channels",
    "wav_bytes",
    "whole_file",
    "write_audio",
]
