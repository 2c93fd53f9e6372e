"""Loss terms."""

from lipsync.training.terms.adversarial import Adversarial, Patches, SyncAdversarial
from lipsync.training.terms.base import Term, weighted_terms
from lipsync.training.terms.code import CodeError
from lipsync.training.terms.features import Features
from lipsync.training.terms.flow import Flow
from lipsync.training.terms.pairs import ClipInfoNCE, PairsBCE, PairsSigmoid
from lipsync.training.terms.pictures import (
    LowerReconstruction,
    Reconstruction,
    Structure,
    Texture,
)
from lipsync.training.terms.sync import Sync, SyncShortfall, check_alike

__all__ = [
    "Adversarial",
    "ClipInfoNCE",
    "CodeError",
    "Features",
    "Flow",
    "LowerReconstruction",
    "PairsBCE",
    "PairsSigmoid",
    "Patches",
    "Reconstruction",
    "Structure",
    "Sync",
    "SyncAdversarial",
    "SyncShortfall",
    "Term",
    "Texture",
    "check_alike",
    "weighted_terms",
]
