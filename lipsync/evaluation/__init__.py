"""Evaluation: distances, offsets and pictures of videos, real ones beside generated ones.

What it offers is listed in ``__init__.pyi``, and imported when it is asked for, so that the
commands' help stays quick.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
