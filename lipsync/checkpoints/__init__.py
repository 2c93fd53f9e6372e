"""Reading and writing weights: official files, our own formats, bundled and online models.

This is the only package that knows that the official weights use BGR pixels, and the only one that
opens pickles, which it never executes.

The public names are listed in ``__init__.pyi`` and imported lazily, because they need PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
