"""What shapes a prepared set, and which stage of the work each choice concerns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from lipsync.errors import ConfigError
from lipsync.faces.detect import DETECTORS
from lipsync.faces.framing import get_framing

_VERSION = 4  # of what the stages write; raise it when the same options give other bytes

# Stages in their order, each with the options that it alone reads. A stage is done again when one
# of these, or anything before it, has changed.
STAGES = {
    "probe": (),
    "look": ("detector", "stride", "min_score"),
    "pieces": (
        "min_seconds", "max_seconds", "min_face", "min_sharpness", "max_turn", "max_outside",
        "min_level", "image_size",  # the size of crops that others made and that are taken over
        "framing", "cuts",
    ),
    "mouths": (),
    "sync": ("judge",),
    "clips": ("min_confidence", "max_offset", "unsure"),
}  # fmt: skip


_FRAMED = ("box", "aligned", "aligned_tight")
CUTS = ("split", "reject")
UNSURE = ("reject", "keep")


@dataclass(frozen=True)
class Options:
    """What shapes a prepared set.

    Attributes:
        image_size: side of the square crops, pixels.
        framing: ``box``, one square for a whole clip; ``aligned``, turned and scaled in every frame
            so that eyes and mouth keep their places; or ``aligned_tight``, the same and nearer to
            the mouth; see :mod:`lipsync.faces.framing`.
        detector: ``centerface`` or ``face_alignment``.
        stride: frames from one detection to the next.
        min_score: faces that the detector is less sure of do not count.
        min_seconds: shorter clips are left out.
        max_seconds: longer ones are cut into equal parts.
        cuts: ``split`` files where the picture changes, or ``reject`` those in which it does: in a
            corpus of one take a file that is damage. None goes by the corpus: ``reject`` for GRID.
        min_face: least height of a face, forehead to chin, in pixels of the source.
        min_sharpness: see :func:`data_prep.quality.sharpness`.
        max_turn: see :func:`data_prep.quality.turn`; 0 looks into the camera, 1 is a profile.
        max_outside: most of a crop's area that may lie outside the picture.
        min_level: dB of full scale that the loudest tenth of a second must reach.
        judge: the network of the sync check, a path or name for ``load_model``; None for no check.
        min_confidence: of the sync check; None for the judge's own, see :mod:`data_prep.sync`.
        max_offset: frames by which sound is moved at most; None for the judge's own.
        unsure: ``reject`` clips below ``min_confidence``, or ``keep`` them with their sound where
            it was.
    """

    image_size: int = 96
    framing: str = "box"
    detector: str = "centerface"
    stride: int = 5
    min_score: float = 0.5
    min_seconds: float = 0.6
    max_seconds: float = 10.0
    cuts: str | None = None
    min_face: float = 48.0
    min_sharpness: float = 0.8
    max_turn: float = 0.75
    max_outside: float = 0.2
    min_level: float = -50.0
    judge: str | None = None
    min_confidence: float | None = None
    max_offset: int | None = None
    unsure: str = "reject"

    def __post_init__(self) -> None:
        for option in fields(self):
            _check_kind(option.name, getattr(self, option.name), str(option.type))
        if self.detector not in DETECTORS:
            raise ConfigError(f"detector={self.detector}: there are {', '.join(DETECTORS)}")
        for name, choices in (("framing", _FRAMED), ("unsure", UNSURE), ("cuts", (None, *CUTS))):
            if (value := getattr(self, name)) not in choices:
                known = " or ".join(filter(None, choices))
                raise ConfigError(f"{name} must be {known}, got {value}")
        if get_framing(self.framing).needs_landmarks and self.detector != "centerface":
            raise ConfigError(
                f"framing={self.framing} needs landmarks, and detector={self.detector} finds none; "
                "use detector=centerface"
            )
        if self.image_size < 16 or self.image_size % 2 or self.stride < 1:
            raise ConfigError(
                f"image_size must be even and 16 or more, stride 1 or more; "
                f"got {self.image_size}, {self.stride}"
            )
        if not 0 < self.min_score < 1:
            raise ConfigError(f"min_score must be in (0, 1), got {self.min_score}")
        if not 0.2 <= self.min_seconds <= self.max_seconds / 2:
            raise ConfigError(
                "min_seconds must be 0.2 or more, max_seconds twice that or more; "
                f"got {self.min_seconds} and {self.max_seconds}"
            )
        if self.max_offset is not None and self.max_offset < 0:
            raise ConfigError(f"max_offset must be 0 or more frames, got {self.max_offset}")

    def fingerprints(self, digest: str, judge: str = "") -> dict[str, str]:
        """What each stage's result is made from, as a hash.

        Args:
            digest: of the source file.
            judge: of the judge's weights, which may change behind a name.
        """
        made_from, prints = f"v{_VERSION} {digest}", {}
        values = asdict(self) | {"judge": judge}
        for stage, names in STAGES.items():
            text = json.dumps([made_from, stage, *(values[name] for name in names)])
            made_from = prints[stage] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return prints


def _check_kind(name: str, value: Any, annotation: str) -> None:
    """Refuse a value that is of none of the kinds that the option's annotation names."""
    kinds = {"int": (int,), "float": (float, int), "str": (str,), "None": (type(None),)}
    allowed = [kind for word in annotation.split(" | ") for kind in kinds[word]]
    if isinstance(value, bool) or not isinstance(value, tuple(allowed)):
        wanted = annotation.replace("|", "or").replace("None", "null")
        raise ConfigError(f"{name} must be {wanted}, got {value!r}")
