"""Face-to-face translation: a video's speech in another language, lips that move to it.

The system of "Towards Automatic Face-to-Face Translation" (Prajwal et al., ACM MM 2019), with
engines that are chosen by name:

    >>> from lipsync.translation import Options, translate
    >>> print(translate("talk.mp4", "talk-es.mp4", Options(to="es")))  # doctest: +SKIP
"""

from lipsync.translation.engines.base import Recogniser, Speaker, Translator, Voice
from lipsync.translation.options import STAGES, Options, read_options
from lipsync.translation.pipeline import TranslationResult, translate
from lipsync.translation.proof import translate_with_page
from lipsync.translation.segments import Segment, Transcript, Word

__all__ = [
    "STAGES",
    "Options",
    "Recogniser",
    "Segment",
    "Speaker",
    "Transcript",
    "TranslationResult",
    "Translator",
    "Voice",
    "Word",
    "read_options",
    "translate",
    "translate_with_page",
]
