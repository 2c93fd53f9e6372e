"""LRS2 and LRS3: ``{main,pretrain,trainval,test}/<video>/<clip>.mp4``, and a ``.txt`` beside each.

The text file holds what is said, and in ``pretrain`` when each word is::

    Text:  AND WE NEED TO LOOK
    Conf:  4

    WORD START END ASDSCORE
    AND 0.04 0.21 3.2
    ...

In LRS3 a ``Ref:``, the id of the video on YouTube, and the face in each frame stand between. Splits
and keys are as without a reader; the corpus tells no speakers, so a video counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from data_prep.readers.found import Found, lines

_FOLDERS = ("main", "pretrain", "trainval", "test")
_WORDS = ["WORD", "START", "END", "ASDSCORE"]


def read(folder: Path, videos: Sequence[PurePath]) -> Iterator[Found]:
    for path in videos:
        if len(path.parts) >= 3 and path.parts[-3] in _FOLDERS:
            clip = f"pretrain-{path.stem}" if path.parts[-3] == "pretrain" else path.stem
            about = transcript(lines((folder / path).with_suffix(".txt")))
            yield Found(path, (path.parts[-2], clip), None, about)


def transcript(text: Sequence[str]) -> dict[str, Any]:
    """What a text file of the corpus says of its clip."""
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
