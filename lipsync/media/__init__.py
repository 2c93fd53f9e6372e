"""Decode and encode video and audio by timestamp, streaming, through PyAV.

Frames travel as ``(seconds, rgb)`` pairs on the container's common clock, so that odd and variable
frame rates, and streams that start at different times, are handled where the numbers are and not
by counting frames. Nothing passes through a shell; a path is always a local file, never a URL or
another protocol.
"""

from lipsync.media.files import whole_file
from lipsync.media.frames import MediaInfo, probe, read_frames, read_image, resample_frames
from lipsync.media.sound import read_audio, write_audio
from lipsync.media.writing import VideoWriter, frame_rate

__all__ = [
    "MediaInfo",
    "VideoWriter",
    "frame_rate",
    "probe",
    "read_audio",
    "read_frames",
    "read_image",
    "resample_frames",
    "whole_file",
    "write_audio",
]
