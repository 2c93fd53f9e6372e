"""A folder of generators adapted from one base model: each face uses that of its own person.

People are recognised by simple image features of the crops, not by a face recognition network. This
works for the footage that was adapted to and similar recordings, but not across changes of
lighting, hair or glasses.
"""

from __future__ import annotations

from base64 import b85decode
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from lipsync.checkpoints import load_model
from lipsync.checkpoints.files import fingerprint
from lipsync.checkpoints.loading import read_weights
from lipsync.errors import CheckpointError

Load = Callable[[str | Path], nn.Module]

MIN_SIMILARITY = 0.5
"""Minimum cosine between two looks of the same person, as measured in experiments/adapt."""
_VISIBLE_SHARE = 0.625  # fraction of a crop's rows used, from the top: everything above the mouth
_SIDE, _CELL, _BINS = 48, 8, 8  # image side and cell size in pixels, and bins per histogram
_EVEN = 0.05  # regularises the normalisation of cells, relative to the mean cell
_MEAN = np.frombuffer(  # mean over the eleven people in lipscode-open's training footage, 8 bits
    b85decode(
        b";V&5v5)mVRN?34tTvJg$*JvgpAsHcOcq|(mB_&nSNLWu_XKZUqi7XTj5EC!hg&-3V6Bj7YS0*-2Tvu6Jpq6AK6ATeK"
        b"MGy)OBWix5U~64UPft5i)GQPZ4G<oXUlR!k4H7o-q;e=8Bpo?Do`qdWG$t!aOD-=rSXX$RY&#ehB`9%$?miq74+|Gm"
        b"P7)0c6(2(CtW6~q4-z_HVo+C5QdnYUV{~~`ML9-Fhcpuo7As(i>qaFR926BwKM)BB4-z#0s%AGJARjYVD>{micQ_v$"
        b"BPls%kd8SddNCavA}n2;@;($26cH3aLKY7V3=Cc4uP`4MA}CFPBO*C@opC`eF-3NqU_3J^s8%5u7#J{&$59^`86783"
    ),
    np.uint8,
) * (0.8516 / 255)


def describe_face(crops: np.ndarray) -> np.ndarray:
    """Descriptor of a face above the mouth: histograms of gradients, minus those of a mean face.

    Args:
        crops: uint8 (n, S, S, 3) RGB, crops of one face.

    Returns:
        float32 (288,), unit length.
    """
    descriptor = (
        np.mean([_gradients(crop[: round(_VISIBLE_SHARE * len(crop))]) for crop in crops], axis=0)
        - _MEAN
    )
    return (descriptor / max(float(np.linalg.norm(descriptor)), 1e-6)).astype(np.float32)


def _gradients(picture: np.ndarray) -> np.ndarray:
    """Histograms of gradient orientations over the cells of an image, normalised: (288,)."""
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    down, right = np.gradient(small.mean(axis=-1, dtype=np.float32))
    angles = np.arctan2(down, right) % np.pi / np.pi
    bins = np.minimum((angles * _BINS).astype(int), _BINS - 1)
    cells, count = np.arange(_SIDE) // _CELL, _SIDE // _CELL
    found = np.zeros((count, count, _BINS))
    np.add.at(found, (cells[:, None], cells[None], bins), np.hypot(right, down))
    even = _EVEN * found.mean() * _BINS**0.5
    return (found / (np.linalg.norm(found, axis=-1, keepdims=True) + even + 1e-9)).ravel()


class Gallery:
    """Recognises people, and holds their generators.

    Args:
        descriptors: person -> descriptor, see :func:`describe_face`.
        files: person -> generator file, loaded at first use.
        load: loads a generator for inference from a file.
    """

    def __init__(
        self, descriptors: dict[str, np.ndarray], files: dict[str, Path], load: Load
    ) -> None:
        self.names, self._descriptors = list(descriptors), np.stack(list(descriptors.values()))
        self._files, self._load = files, load
        self._loaded: dict[str, nn.Module] = {}

    def recognise(self, crops: np.ndarray) -> str | None:
        """The person in crops (n, S, S, 3) of one face; None if not recognised."""
        similarities = self._descriptors @ describe_face(crops)
        best = int(similarities.argmax())
        return self.names[best] if similarities[best] >= MIN_SIMILARITY else None

    def generator(self, name: str) -> nn.Module:
        """The generator of a person."""
        if name not in self._loaded:
            self._loaded[name] = self._load(self._files[name])
        return self._loaded[name]


def load_gallery(folder: Path, load: Load) -> nn.Module:
    """Load the base of the adapted generators in a folder; they are its attribute ``gallery``.

    Raises:
        CheckpointError: no adapted models in the folder, several base models, or a missing base.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
    cards = {name: read_weights(path).card.get("adapted", {}) for name, path in files.items()}
    for name, card in cards.items():
        if "look" not in card:
            raise CheckpointError(files[name], "no look of a person", "adapt it again")
    if not files:
        raise CheckpointError(folder, "no adapted models", "lipsync adapt PEOPLE -o FOLDER")
    bases = {card["base_weights"]: card["base"] for card in cards.values()}
    if len(bases) > 1:
        raise CheckpointError(folder, f"models of several bases: {', '.join(bases.values())}")
    ((weights, base),) = bases.items()
    sibling = folder.parent / base
    found = sibling if sibling.is_file() else base
    if fingerprint(load_model(found)) != weights:
        raise CheckpointError(folder, f"adapted from other weights than those of {base}")
    generator = load(found)
    descriptors = {name: np.array(card["look"], np.float32) for name, card in cards.items()}
    generator.__dict__["gallery"] = Gallery(descriptors, files, load)
    return generator
