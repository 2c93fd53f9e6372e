"""What shapes a prepared set, and which stage of the work each choice concerns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from lipsync.errors import ConfigError
from lipsync.faces.detect import DETECTORS, LEAST
from lipsync.faces.framing import get_framing
from lipsync.options import check_options, option

_VERSION = 8  # of what the stages write; raise it when the same options give other bytes

# Stages in their order, each with the options that it alone reads. A stage is done again when one
# of these, or anything before it, has changed.
STAGES = {
    "probe": (),
    "look": ("detector", "stride", "min_score", "sought"),
    "pieces": (
        "min_seconds", "max_seconds", "min_face", "min_sharpness", "max_turn", "max_outside",
        "min_level", "image_size",  # the size of crops that others made and that are taken over
        "framing", "cuts",
    ),
    "mouths": (),
    "sync": ("judge",),
    "clips": ("min_confidence", "max_offset", "unsure"),
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What shapes a prepared set.

    Attributes:
        image_size: side of the square crops, pixels.
        framing: ``box``, one square for a whole clip; ``aligned``, turned and scaled in every frame
            so that eyes and mouth keep their places; ``aligned_tight``, the same and nearer to the
            mouth; or ``aligned_jaw``, near and low enough for an open jaw; see
            :mod:`lipsync.faces.framing`.
        detector: ``centerface`` or ``face_alignment``.
        stride: frames from one detection to the next.
        min_score: faces that the detector is less sure of do not count.
        min_seconds: shorter clips are left out.
        max_seconds: longer ones are cut into equal parts.
        cuts: ``split`` files where the picture changes, or ``reject`` those in which it does: in a
            corpus of one take a file that is damage. None goes by the corpus: ``reject`` for GRID.
        smallest_face: height in pixels of the source of the smallest faces that are looked for; the
            smaller, the slower. None for 40, or ``min_face`` where that is less.
        min_face: least height of a face, forehead to chin, in pixels of the source.
        min_sharpness: see :func:`data_prep.quality.fine_detail`.
        max_turn: see :func:`data_prep.quality.turn`; 0 looks into the camera, 1 is a profile.
        max_outside: most of a crop's area that may lie outside the picture.
        min_level: dB of full scale that the loudest tenth of a second must reach.
        judge: the network of the sync check, a path or name for ``load_model``; None for no check.
        min_confidence: of the sync check; None goes by the judge's calibration, see
            :mod:`lipsync.evaluation.calibration`, and by 3 for SyncNet v2.
        max_offset: frames by which sound is moved at most; None for 15 by a calibration, else 6.
        unsure: ``keep`` clips of which the judge is not sure, or which it cannot judge, with their
            sound where it was, or ``reject`` them.
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
    def sought(self) -> float:
        """Height in pixels of the smallest faces that are looked for."""
        return min(LEAST, self.min_face) if self.smallest_face is None else self.smallest_face

    def fingerprints(self, digest: str, judge: str = "") -> dict[str, str]:
        """What each stage's result is made from, as a hash.

        Args:
            digest: of the source file.
            judge: of the judge's weights, which may change behind a name.
        """
        made_from, prints = f"v{_VERSION} {digest}", {}
        values = asdict(self) | {"judge": judge, "sought": self.sought}
        for stage, names in STAGES.items():
            text = json.dumps([made_from, stage, *(values[name] for name in names)])
            made_from = prints[stage] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return prints
