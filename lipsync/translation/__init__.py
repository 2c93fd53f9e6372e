"""Face-to-face translation: a video's speech in another language, with matching lips.

The system of "Towards Automatic Face-to-Face Translation" (Prajwal et al., ACM MM 2019), with
engines chosen by name:

    >>> from lipsync.translation import Options, translate
    >>> print(translate("talk.mp4", "talk-es.mp4", Options(to="es")))  # doctest: +SKIP

The public names are listed in ``__init__.pyi`` and imported lazily.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
