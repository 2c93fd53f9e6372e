"""Readers of corpora in their usual layouts, selected by ``reader=NAME``.

A reader is a function of the corpus's folder and the videos in it. It yields a
:class:`CorpusClip` for each clip of the corpus: a file or a span of one, its speaker, and metadata
such as the transcript. Files that the corpus does not list are ignored. To support another corpus,
write such a function in a module named in ``plugins``, and add it to ``READERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from data_prep.readers import avspeech, cremad, hdtf, lrs, talkvid, voxceleb2
from data_prep.readers.corpus_clip import CorpusClip
from lipsync.errors import ConfigError

Reader = Callable[[Path, Sequence[PurePath]], Iterator[CorpusClip]]

READERS: dict[str, Reader] = {
    "hdtf": hdtf.read,
    "voxceleb2": voxceleb2.read,
    "lrs": lrs.read,
    "talkvid": talkvid.read,
    "avspeech": avspeech.read,
    "cremad": cremad.read,
}


def read(name: str, folder: Path, videos: Sequence[PurePath]) -> list[CorpusClip]:
    """Find the clips of a corpus, sorted by file and time.

    Args:
        name: name of the reader.
        folder: the corpus's folder.
        videos: paths of the videos, relative to the folder.

    Raises:
        ConfigError: no such reader, no clip found, or two clips with the same key.
    """
    if name not in READERS:
        raise ConfigError(f"reader={name}: must be one of {', '.join(READERS)}")
    clips = READERS[name](folder, sorted(videos))
    found = sorted(clips, key=lambda clip: (clip.file, clip.span or ()))
    if not found:
        raise ConfigError(
            f"reader={name}: none of the {len(videos)} videos in {folder} belongs to this corpus; "
            "see the layouts in docs/footage.md, or leave reader out"
        )
    first: dict[tuple[str, ...], CorpusClip] = {}
    for clip in found:
        other = first.setdefault(clip.key, clip)  # lists may repeat a span
        if (other.file, other.span) != (clip.file, clip.span):
            raise ConfigError(
                f"reader={name}: {other.file} and {clip.file} are both {'/'.join(clip.key)}; take "
                "one away"
            )
    return list(first.values())
