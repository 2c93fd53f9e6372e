"""Dubbing: a face that speaks another sound.

    >>> from lipsync.dubbing import dub
    >>> dub("face.mp4", "speech.wav", "dubbed.mp4").frames  # doctest: +SKIP
    75

One pass finds the face in every frame, a second renders; neither holds the video in memory.
"""

from lipsync.dubbing.pipeline import DEFAULT_MODEL, DubResult, dub

__all__ = ["DEFAULT_MODEL", "DubResult", "dub"]
