"""CREMA-D: ``VideoFlash/1001_DFA_ANG_XX.flv``, that is actor, sentence, emotion and intensity.

The actors speak twelve sentences, so the transcript is known. Files may be in any folder and any
video format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from data_prep.readers.corpus_clip import CorpusClip

_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}


def read(folder: Path, videos: Sequence[PurePath]) -> Iterator[CorpusClip]:
    for path in videos:
        if found := _NAME.fullmatch(path.stem):
            about = {"emotion": found[3], "language": "English"}
            if found[2] in SENTENCES:
                about["text"] = SENTENCES[found[2]]
            yield CorpusClip(path, (found[1], path.stem), None, about)
