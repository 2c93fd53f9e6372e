"""Face-to-face translation: a video's speech in another language, lips that move to it.

The system of "Towards Automatic Face-to-Face Translation" (Prajwal et al., ACM MM 2019), with
engines that are chosen by name:

    >>> from lipsync.translation import Options, translate
    >>> print(translate("talk.mp4", "talk-es.mp4", Options(to="es")))  # doctest: +SKIP

What it offers is listed in ``__init__.pyi``, and imported when it is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
