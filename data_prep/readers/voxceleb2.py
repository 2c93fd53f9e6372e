"""VoxCeleb2: ``{dev,test}/mp4/id00012/<video>/00001.mp4``, at any depth; the id is the speaker.

The videos must include their audio. The corpus is distributed with the audio separate, in ``aac``;
in that case, mux the two first. Splits are taken from the folders ``dev`` and ``test``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from data_prep.readers.corpus_clip import CorpusClip

_SPEAKER = re.compile(r"id\d{5}")


def read(folder: Path, videos: Sequence[PurePath]) -> Iterator[CorpusClip]:
    for path in videos:
        if len(path.parts) >= 3 and _SPEAKER.fullmatch(path.parts[-3]):
            yield CorpusClip(path, (path.parts[-3], path.parts[-2], path.stem))
