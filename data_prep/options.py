"""Options that define a prepared set, and the stages that depend on them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from lipsync.errors import ConfigError
from lipsync.faces.detect import DETECTORS, LEAST
from lipsync.faces.framing import get_framing
from lipsync.options import check_options, option

_VERSION = 8  # increase when the same options give different results

# Stages in order, each with the options that no earlier stage depends on. A stage is rerun if one
# of these has changed, or if an earlier stage is rerun.
STAGES = {
    "probe": (),
    "look": ("detector", "stride", "min_score", "min_detection_height"),
    "pieces": (
        "min_seconds", "max_seconds", "min_face", "min_sharpness", "max_turn", "max_outside",
        "min_level", "image_size",  # ready-made crops are resized to this first
        "framing", "cuts",
    ),
    "mouths": (),
    "sync": ("judge",),
    "clips": ("min_confidence", "max_offset", "unsure"),
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Options that define a prepared set.

    Attributes:
        image_size: side of the square crops in pixels; even.
        framing: ``box``, one square per clip; ``aligned``, rotated and scaled in every frame to
            keep eyes and mouth in place; ``aligned_tight``, the same, closer to the mouth; or
            ``aligned_jaw``, close, with room for an open jaw; see :mod:`lipsync.faces.framing`.
        detector: ``centerface`` or ``face_alignment``.
        stride: frames between detections.
        min_score: minimum score of the face detector, in (0, 1).
        min_seconds: minimum length of a clip; shorter ones are left out.
        max_seconds: maximum length of a clip; longer ones are split into equal parts.
        cuts: ``split`` files at cuts, or ``reject`` files with a cut, which means damage in a
            corpus of single takes. None: ``reject`` for GRID, else ``split``.
        smallest_face: minimum height of faces to detect, in pixels of the source; smaller is
            slower. None: 40, or ``min_face`` if that is less.
        min_face: minimum height of a face, forehead to chin, in pixels of the source.
        min_sharpness: minimum sharpness, in percent, see :func:`data_prep.quality.fine_detail`.
        max_turn: maximum turn of the head, see :func:`data_prep.quality.turn`; 0 is frontal, 1 is a
            profile.
        max_outside: maximum share of the crop's area outside the picture.
        min_level: minimum level of the loudest tenth of a second, in dB of full scale.
        judge: network for the sync check, a path or name for ``load_model``; None for no check.
        min_confidence: minimum confidence in the sync check. None: by the judge's calibration, see
            :mod:`lipsync.evaluation.calibration`; 3 for SyncNet v2.
        max_offset: maximum offset to correct, in frames. None: 15 with a calibration, else 6.
        unsure: ``keep`` clips that the judge is unsure of or cannot judge, without shifting their
            sound, or ``reject`` them.
    """

    image_size: int = option(96, least=16)
    framing: str = option("box", choices=("box", "aligned", "aligned_tight", "aligned_jaw"))
    detector: str = option("centerface", choices=DETECTORS)
    stride: int = option(5, least=1)
    min_score: float = 0.5
    smallest_face: float | None = option(None, least=20)
    min_seconds: float = option(0.6, least=0.2)
    max_seconds: float = 10.0
    cuts: str | None = option(None, choices=("split", "reject"))
    min_face: float = 48.0
    min_sharpness: float = 0.8
    max_turn: float = 0.75
    max_outside: float = 0.2
    min_level: float = -50.0
    judge: str | None = "expert-open"
    min_confidence: float | None = None
    max_offset: int | None = option(None, least=0)
    unsure: str = option("keep", choices=("keep", "reject"))

    def __post_init__(self) -> None:
        check_options(self)
        if get_framing(self.framing).needs_landmarks and self.detector != "centerface":
            raise ConfigError(
                f"framing={self.framing} needs landmarks, and detector={self.detector} finds no "
                "landmarks; use detector=centerface"
            )
        if self.image_size % 2:
            raise ConfigError(f"image_size must be even, got {self.image_size}")
        if not 0 < self.min_score < 1:
            raise ConfigError(f"min_score must be in (0, 1), got {self.min_score}")
        if self.max_seconds < 2 * self.min_seconds:
            raise ConfigError(
                "max_seconds must be at least twice min_seconds, "
                f"got {self.max_seconds} and {self.min_seconds}"
            )

    @property
    def min_detection_height(self) -> float:
        """Minimum height of faces to detect, in pixels of the source."""
        return min(LEAST, self.min_face) if self.smallest_face is None else self.smallest_face

    def fingerprints(self, digest: str, judge: str = "") -> dict[str, str]:
        """Hash of the inputs of each stage, including those of earlier stages.

        Args:
            digest: hash of the source.
            judge: hash of the judge's weights, which may change under the same name.
        """
        made_from, prints = f"v{_VERSION} {digest}", {}
        values = asdict(self) | {"judge": judge, "min_detection_height": self.min_detection_height}
        for stage, names in STAGES.items():
            text = json.dumps([made_from, stage, *(values[name] for name in names)])
            made_from = prints[stage] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return prints
