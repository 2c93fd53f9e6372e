"""Dubbing: make a face speak new audio.

    >>> from lipsync.dubbing import dub
    >>> dub("face.mp4", "speech.wav", "dubbed.mp4").frames  # doctest: +SKIP
    75

Frames are read (``source``, ``playback``, ``sound``), planned (``plan``: which face is dubbed,
where it is, and the generator's inputs), rendered (``render``) and written (``pipeline``), all
concurrently and in one pass: frames are kept only for the few seconds of the plan's look-ahead.

Public names are listed in ``__init__.pyi`` and imported lazily.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
