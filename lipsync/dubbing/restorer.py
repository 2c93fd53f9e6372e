"""Face restorers from user-supplied ONNX files: GFPGAN, CodeFormer, RestoreFormer and others."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import numpy as np

from lipsync.errors import CheckpointError
from lipsync.onnx_files import KINDS, describe_values, one_line, open_onnx

SUFFIX = ".onnx"
_SIDE = 512  # input side for networks with dynamic shapes
_BATCH_SIZE = 4  # batch size for networks with a dynamic batch size
_WEIGHT = 1.0  # CodeFormer's w: maximum fidelity to the input face, and so to its mouth
_INTERFACE = (
    f"a restorer takes and gives (n, 3, {_SIDE}, {_SIDE}), and at most one number beside it"
)
_EXPECTED = "a face restorer such as GFPGAN or CodeFormer, exported to ONNX"


class Restorer:
    """A face restorer.

    Its input is an image (n, 3, S, S), RGB in [-1, 1], aligned as in FFHQ; S is 512 if dynamic. A
    second, scalar input is taken to be CodeFormer's fidelity weight, and set to 1. Its first output
    is the restored image.

    Args:
        path: the ONNX file.
        device: ``"cuda"`` uses the GPU if ``onnxruntime-gpu`` is installed.

    Raises:
        CheckpointError: a file that cannot be read, is not ONNX, or takes or gives anything else.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self.path = path
        self._session = open_onnx(path, device, _EXPECTED)
        self._lock = Lock()  # one call uses all cores
        pictures = [one for one in self._session.get_inputs() if len(one.shape) == 4]
        numbers = [one for one in self._session.get_inputs() if _is_number(one)]
        known = all(one.type in KINDS for one in (*pictures, *numbers))
        complete = len(pictures) + len(numbers) == len(self._session.get_inputs())
        if len(pictures) != 1 or len(numbers) > 1 or not known or not complete:
            self._refuse("its inputs are " + describe_values(self._session.get_inputs()))
        (picture,) = pictures
        batch, channels, *sides = picture.shape
        height, width = (side if isinstance(side, int) else _SIDE for side in sides)
        if (isinstance(channels, int) and channels != 3) or height != width:
            self._refuse("its input is " + describe_values([picture]))
        self.side = height
        """Input side S in pixels."""
        self._name, self._kind = picture.name, KINDS[picture.type]
        self._extra_inputs = {
            one.name: np.full([1] * len(one.shape), _WEIGHT, KINDS[one.type]) for one in numbers
        }
        self._batch = batch if isinstance(batch, int) else None
        self._batch_size = self._find_batch_size()

    def _refuse(self, problem: str) -> NoReturn:
        raise CheckpointError(self.path, problem, _INTERFACE)

    def _find_batch_size(self) -> int:
        """Batch size, determined by a trial on grey images.

        Many networks exported with a dynamic batch size only work for a single face.
        """
        problem = ""
        for faces in (self._batch,) if self._batch else (2, 1):
            grey = np.full((faces, self.side, self.side, 3), 128, np.uint8)
            try:
                shape = self._run(grey).shape
            except Exception as error:  # onnxruntime's errors have no narrower common base
                problem = f"does not run ({one_line(error)})"
                continue
            if shape == (faces, 3, self.side, self.side):
                return _BATCH_SIZE if faces == 2 and not self._batch else faces
            problem = f"its first output is {shape}"
        self._refuse(problem)

    def restore(self, faces: np.ndarray) -> np.ndarray:
        """Restore faces, in batches.

        Args:
            faces: uint8 (n, S, S, 3) RGB, aligned as in FFHQ.

        Returns:
            float32 (n, S, S, 3) RGB in [0, 1].
        """
        with self._lock:
            parts = [
                self._run(faces[k : k + self._batch_size])
                for k in range(0, len(faces), self._batch_size)
            ]
        return np.clip(np.concatenate(parts).transpose(0, 2, 3, 1) / 2 + 0.5, 0, 1)

    def _run(self, faces: np.ndarray) -> np.ndarray:
        """uint8 (n, S, S, 3) -> float32 (n, 3, S, S) in [-1, 1]."""
        count = len(faces)
        if self._batch:
            faces = faces[np.minimum(np.arange(self._batch), count - 1)]
        pictures = (faces.transpose(0, 3, 1, 2) / np.float32(127.5) - 1).astype(self._kind)
        restored, *_ = self._session.run(None, {self._name: pictures, **self._extra_inputs})
        return restored[:count].astype(np.float32)


@lru_cache(maxsize=1)
def _load_cached(path: Path, device: str, changed: int, size: int) -> Restorer:
    return Restorer(path, device)


def load_restorer(path: str | Path, device: str = "cpu") -> Restorer:
    """Load a restorer; cached as long as its file does not change.

    Raises:
        CheckpointError: as for :class:`Restorer`.
    """
    path = Path(path)
    if not path.is_file():
        return Restorer(path, device)  # raises
    stat = path.stat()
    return _load_cached(path, device, stat.st_mtime_ns, stat.st_size)


def _is_number(value: Any) -> bool:
    sides = [side for side in value.shape if isinstance(side, int)]
    return len(value.shape) <= 1 and all(side == 1 for side in sides)
