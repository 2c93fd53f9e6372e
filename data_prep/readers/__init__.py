"""Corpora as people have them on their disks, chosen by ``reader=NAME``.

A reader is a function of the corpus's folder and of the videos in it. It yields a :class:`Found`
for every clip that the corpus has: a file or a stretch of one, who speaks, and what is said. Files
that the corpus does not list are left alone. A corpus of your own is one more function, which a
module that ``plugins`` names puts into ``READERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from data_prep.readers import avspeech, cremad, hdtf, lrs, talkvid, voxceleb2
from data_prep.readers.found import Found
from lipsync.errors import ConfigError

Reader = Callable[[Path, Sequence[PurePath]], Iterator[Found]]

READERS: dict[str, Reader] = {
    "hdtf": hdtf.read,
    "voxceleb2": voxceleb2.read,
    "lrs": lrs.read,
    "talkvid": talkvid.read,
    "avspeech": avspeech.read,
    "cremad": cremad.read,
}


def read(name: str, folder: Path, videos: Sequence[PurePath]) -> list[Found]:
    """The clips of a corpus, sorted by their files and times.

    Args:
        name: of the reader.
        folder: of the corpus.
        videos: paths of its videos below that.

    Raises:
        ConfigError: no such reader, or nothing that it knows.
    """
    if name not in READERS:
        raise ConfigError(f"reader={name}: there are {', '.join(READERS)}")
    clips = READERS[name](folder, sorted(videos))
    found = sorted(clips, key=lambda clip: (clip.file, clip.span or ()))
    if not found:
        raise ConfigError(
            f"reader={name}: none of {len(videos)} videos in {folder} is a clip of it; see the "
            "layouts in docs/footage.md, or leave reader out"
        )
    first: dict[tuple[str, ...], Found] = {}
    for clip in found:
        other = first.setdefault(clip.key, clip)  # lists may name a stretch twice
        if (other.file, other.span) != (clip.file, clip.span):
            raise ConfigError(
                f"reader={name}: {other.file} and {clip.file} are both {'/'.join(clip.key)}; take "
                "one away"
            )
    return list(first.values())
