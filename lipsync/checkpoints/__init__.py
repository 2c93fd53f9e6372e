"""Weights in and out: official files, own checkpoints and model files, bundled and online models.

This is the only place that knows that the official weights read and write BGR pixels, and the
only one that opens pickles, which it never executes.

What it offers is listed in ``__init__.pyi``, and imported when it is asked for: it brings PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
