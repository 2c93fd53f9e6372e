"""A prepared set for the Dataset tab: its clips, a contact sheet of their faces, their sound.

The code that reads sets is imported with the first clip, so that the page is up immediately.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync.demo.messages import Refusal
from lipsync.errors import ConfigError

if TYPE_CHECKING:
    from lipsync.data.clips import Clip

_COLUMNS, _ROWS = 6, 2
_PAGE = 50  # clips per page of the list
_TOLD = ("source", "framing", "offset", "confidence", "source_fps", "source_size")


class PreparedSet:
    """A prepared set, whose clips are accessible only by key.

    Args:
        root: the set.

    Raises:
        ConfigError: it has no split lists.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self._lists():
            raise ConfigError(
                f"--root {root}: has no filelists/*.txt; prepare the data with `python -m "
                "data_prep`"
            )

    def _lists(self) -> list[str]:
        return sorted(path.stem for path in self.root.glob("filelists/*.txt"))

    @cached_property
    def _splits(self) -> dict[str, list[str]]:
        from lipsync.data.store import read_split

        return {name: read_split(self.root, name) for name in self._lists()}

    @cached_property
    def _keys(self) -> set[str]:
        return {key for keys in self._splits.values() for key in keys}

    def splits(self) -> dict[str, dict[str, int]]:
        """Split -> number of clips and of speakers."""
        return {
            split: {"clips": len(keys), "speakers": len({key.split("/")[0] for key in keys})}
            for split, keys in self._splits.items()
        }

    def find(self, split: str, query: str, page: int) -> dict[str, Any]:
        """One page of a split's clips whose keys contain ``query``."""
        if split not in self._splits:
            raise Refusal("The set has no such list.", 404)
        keys = [key for key in self._splits[split] if query.lower() in key.lower()]
        start = max(0, page) * _PAGE
        more = start + _PAGE < len(keys)
        return {"keys": keys[start : start + _PAGE], "total": len(keys), "more": more}

    def about(self, key: str) -> dict[str, Any]:
        """Details of a clip."""
        from lipsync.windows import FPS

        clip = self._clip(key)
        told = {name: clip.info[name] for name in _TOLD if clip.info.get(name) is not None}
        if "source" in told:
            told["source"] = Path(str(told["source"])).name
        if "source_size" in told:
            told["source_size"] = "x".join(map(str, told["source_size"]))
        seconds = round(len(clip) / FPS, 2)
        return {"frames": len(clip), "seconds": seconds, "face_size": clip.size, **told}

    def sheet(self, key: str) -> bytes:
        """A JPEG contact sheet of evenly spaced faces of a clip."""
        import numpy as np

        from lipsync.pages import jpeg_bytes

        clip = self._clip(key)
        count = min(_COLUMNS * _ROWS, len(clip))
        faces = clip.read(np.linspace(0, len(clip) - 1, count).round().astype(int))
        columns = min(_COLUMNS, count)
        blank = np.full((-count % columns, *faces.shape[1:]), 255, np.uint8)
        rows = np.concatenate([faces, blank]).reshape(-1, columns, *faces.shape[1:])
        return jpeg_bytes(np.concatenate([np.concatenate(row, 1) for row in rows], 0), 90)

    def sound(self, key: str) -> bytes:
        """The sound of a clip, as a WAV file."""
        from lipsync.media import wav_bytes

        return wav_bytes(self._clip(key).wave)

    def _clip(self, key: str) -> Clip:
        from lipsync.data.store import open_clip

        if key not in self._keys:
            raise Refusal("The set has no such clip.", 404)
        return open_clip(self.root, key)
