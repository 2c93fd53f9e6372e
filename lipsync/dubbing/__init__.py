"""Dubbing: a face that speaks another sound.

    >>> from lipsync.dubbing import dub
    >>> dub("face.mp4", "speech.wav", "dubbed.mp4").frames  # doctest: +SKIP
    75

Frames are read (``source``, ``playback``, ``sound``), planned (``plan``: whose face is dubbed,
where it lies, what the generator is shown and hears), rendered (``render``) and written
(``pipeline``), all at the same time and in one pass: none is kept longer than the seconds that a
plan looks ahead.

What it offers is listed in ``__init__.pyi``, and imported when it is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
