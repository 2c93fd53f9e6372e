"""LRS2 and LRS3: ``{main,pretrain,trainval,test}/<video>/<clip>.mp4``, and a ``.txt`` beside each.

The text file holds the transcript and, in ``pretrain``, the times of its words::

    Text:  AND WE NEED TO LOOK
    Conf:  4

    WORD START END ASDSCORE
    AND 0.04 0.21 3.2
    ...

In LRS3, it also holds ``Ref:`` with the YouTube video id, and the face box of each frame. Splits
and keys are the same as without a reader. The corpus does not identify speakers, so each video
counts as one speaker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from data_prep.readers.corpus_clip import CorpusClip, lines

_FOLDERS = ("main", "pretrain", "trainval", "test")
_WORDS = ["WORD", "START", "END", "ASDSCORE"]


def read(folder: Path, videos: Sequence[PurePath]) -> Iterator[CorpusClip]:
    for path in videos:
        if len(path.parts) >= 3 and path.parts[-3] in _FOLDERS:
            clip = f"pretrain-{path.stem}" if path.parts[-3] == "pretrain" else path.stem
            about = transcript(lines((folder / path).with_suffix(".txt")))
            yield CorpusClip(path, (path.parts[-2], clip), None, about)


def transcript(text: Sequence[str]) -> dict[str, Any]:
    """Parse the lines of a clip's text file into ``text``, ``words`` and ``video``, if present."""
    about: dict[str, Any] = {}
    table = False
    for line in text:
        parts = line.split()
        if parts == _WORDS:
            table, about["words"] = True, []
        elif table and len(parts) == len(_WORDS):
            try:
                about["words"].append([parts[0], float(parts[1]), float(parts[2])])
            except ValueError:
                continue
        elif line.startswith("Text:"):
            about["text"] = " ".join(parts[1:])
        elif line.startswith("Ref:"):
            about["video"] = " ".join(parts[1:])
    return about
