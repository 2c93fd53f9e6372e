"""User-supplied face recognisers: ONNX networks such as ArcFace."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from lipsync.checkpoints.files import sha256
from lipsync.errors import CheckpointError
from lipsync.onnx_files import KINDS, describe_values, one_line, open_onnx

# Positions of the eyes, nose tip and mouth corners in the aligned crops that ArcFace (Deng et al.
# 2019) and similar networks are trained on, in the unit square.
ARCFACE = (
    np.array(
        [
            [38.2946, 51.6963],
            [73.5318, 51.5014],
            [56.0252, 71.7366],
            [41.5493, 92.3655],
            [70.7299, 92.2041],
        ]
    )
    / 112
)
_SIDE = 112  # pixels, for a network that takes any size
_WANTED = "a face recogniser such as ArcFace, exported to ONNX"
_USUAL = f"a recogniser takes (n, 3, {_SIDE}, {_SIDE}) and gives (n, numbers)"


class Recogniser:
    """A face recogniser in ONNX.

    Its input is (n, 3, S, S), RGB in [-1, 1] (or in [0, 255] if its first two layers subtract and
    multiply); its first output is an embedding (n, d), compared by cosine.

    Args:
        path: the ONNX file.
        device: ``"cuda"`` uses the GPU if ``onnxruntime-gpu`` is installed.

    Raises:
        CheckpointError: a file that cannot be read, is not ONNX, or has other inputs or outputs.
    """

    def __init__(self, path: str | Path, device: str = "cpu") -> None:
        self.path = Path(path)
        self._session = open_onnx(self.path, device, _WANTED)
        self.sha256 = sha256(self.path)
        """Of the file."""
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 and inputs[0].type in KINDS else []
        sides = {side if isinstance(side, int) else _SIDE for side in shape[2:]}
        channels = shape[1] if len(shape) == 4 else 0
        if len(sides) != 1 or (isinstance(channels, int) and channels != 3):
            raise CheckpointError(self.path, f"its inputs are {describe_values(inputs)}", _USUAL)
        (self.side,) = sides
        self._name, self._kind = inputs[0].name, KINDS[inputs[0].type]
        self._levels = _takes_levels(self.path)
        grey = np.full((self.side, self.side, 3), 128, np.uint8)
        try:
            output = self._run(grey)
        except Exception as error:  # the runtime's exceptions share no base class
            problem = f"does not run ({one_line(error)})"
            raise CheckpointError(self.path, problem, _USUAL) from None
        if output.ndim != 2 or len(output) != 1 or output.shape[1] < 2:
            raise CheckpointError(self.path, f"its first output is {output.shape}", _USUAL)

    def embed(self, faces: list[np.ndarray]) -> np.ndarray:
        """Faces uint8 (S, S, 3) RGB, aligned to :data:`ARCFACE` -> unit vectors, float32 (n, d)."""
        found = np.concatenate([self._run(face) for face in faces])
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    def _run(self, face: np.ndarray) -> np.ndarray:
        levels = face.transpose(2, 0, 1)[None].astype(np.float32)
        picture = levels if self._levels else levels / 127.5 - 1
        output: Any = self._session.run(None, {self._name: picture.astype(self._kind)})[0]
        return output.astype(np.float32)


def _takes_levels(path: Path) -> bool:
    """Whether a network normalises pixels itself, as MXNet exports do."""
    nodes = onnx.load(str(path), load_external_data=False).graph.node
    kinds = (node.op_type for node in nodes if node.op_type not in ("Constant", "Identity"))
    return [*islice(kinds, 2)] == ["Sub", "Mul"]
