"""A dataset of its own format: <root>/<split>/<speaker>/<clip>.npz with faces and wave."""

from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lipsync.data.clips import Clip
from lipsync.errors import ClipError


class NpzClip(Clip):
    """``faces`` uint8 (frames, S, S, 3) RGB at 25 fps and ``wave`` float32 (samples,) at 16 kHz."""

    def __init__(self, key: str, path: Path):
        super().__init__(key, path)
        self.info = {}  # no clip.json: the framing is assumed to be data.framing
        self.shape, self.heard = self.faces.shape, {}

    @property
    def faces(self):
        return self._array("faces")

    @property
    def wave(self):
        return self._array("wave")

    def feature(self, feature):
        if feature.file not in self.heard:  # nothing is stored
            self.heard[feature.file] = feature.extract(self.wave)
        return self.heard[feature.file]

    @property
    def size(self):
        return self.shape[1]

    def __len__(self):
        return self.shape[0]

    def _array(self, name):
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                return arrays[name]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ClipError(self.key, f"{name} cannot be read ({error})") from None


@lru_cache(maxsize=64)
def _opened(key: str, path: Path) -> NpzClip:
    return NpzClip(key, path)  # with what it has computed


class NpzFolder:
    """The reader: the clips of a split, and each clip by its key ``speaker/clip``."""

    def __init__(self, root: Path, image_size: int):
        del image_size  # clips are stored at one size
        paths = sorted(Path(root).glob("*/*/*.npz"))
        self.paths = {f"{path.parent.name}/{path.stem}": path for path in paths}

    def keys(self, split: str) -> list[str]:
        return [key for key, path in self.paths.items() if path.parts[-3] == split]

    def open(self, key: str) -> NpzClip:
        return _opened(key, self.paths[key])
