"""Dubbing: a face that speaks another sound.

    >>> from lipsync.dubbing import dub
    >>> dub("face.mp4", "speech.wav", "dubbed.mp4").frames  # doctest: +SKIP
    75

One pass: frames are decoded, followed, cropped, generated, blended and encoded at the same time,
and none is kept longer than the second that a face's place is smoothed over.
"""

from lipsync.dubbing.job import DubbedFrame
from lipsync.dubbing.live import LiveSession
from lipsync.dubbing.options import DEFAULT_MODEL
from lipsync.dubbing.pipeline import dub, dub_frames
from lipsync.dubbing.result import DubResult

__all__ = ["DEFAULT_MODEL", "DubResult", "DubbedFrame", "LiveSession", "dub", "dub_frames"]
