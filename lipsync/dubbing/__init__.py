"""Dubbing: a face that speaks another sound.

    >>> from lipsync.dubbing import dub
    >>> dub("face.mp4", "speech.wav", "dubbed.mp4").frames  # doctest: +SKIP
    75

Frames are read (``source``, ``playback``, ``sound``), planned (``plan``: whose face is dubbed,
where it lies, what the generator is shown and hears), rendered (``render``) and written
(``pipeline``), all at the same time and in one pass: none is kept longer than the seconds that a
plan looks ahead.
"""

from lipsync.dubbing.batch import BatchResult, dub_batch
from lipsync.dubbing.live import LiveSession
from lipsync.dubbing.options import DEFAULT_MODEL
from lipsync.dubbing.pipeline import dub, dub_frames
from lipsync.dubbing.render import DubbedFrame
from lipsync.dubbing.result import DubResult

__all__ = [
    "DEFAULT_MODEL",
    "BatchResult",
    "DubResult",
    "DubbedFrame",
    "LiveSession",
    "dub",
    "dub_batch",
    "dub_frames",
]
