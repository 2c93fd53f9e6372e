"""Evaluation: sync, offset and image metrics of generated videos, with real ones for comparison.

The public names are listed in ``__init__.pyi`` and imported lazily, so that ``--help`` stays fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
